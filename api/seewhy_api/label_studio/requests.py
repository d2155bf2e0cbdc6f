"""The bodies of requests from Label Studio. Only what is used of them is kept."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from seewhy.schemas.base_models import StoredModel
from seewhy_api.label_studio.drawn_region import (
    DrawnRegion,
    Region,
    drawn_region,
    keep_last_region,
)

MAX_TASKS = 10_000
MAX_TOKEN_CHARACTERS = 1_000


class SetupRequest(StoredModel):
    """Label Studio sends it whenever it shows or uses the backend."""

    project: str = Field(
        "", max_length=255, description="The id of the project and the time of its creation."
    )
    label_config: str = Field(alias="schema", description="The label config of the project, XML.")
    hostname: str | None = Field(None, description="The URL of Label Studio.")
    access_token: str | None = Field(
        None,
        max_length=MAX_TOKEN_CHARACTERS,
        pattern=r"^[ -~]*$",
        description="A legacy token of its user.",
    )
    extra_params: str | dict[str, JsonValue] | None = Field(
        None,
        description="The extra parameters of the backend: a JSON object or its text, or nothing. "
        "Label Studio sends what it was given, by its page or through its API.",
    )

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Context(StoredModel):
    """What was drawn in the editor."""

    result: Annotated[tuple[Region, ...], AfterValidator(keep_last_region)] = ()

    @property
    def drawn(self) -> DrawnRegion | None:
        """The region that was drawn last; None without a label."""
        return drawn_region(self.result[0]) if self.result else None


class Params(StoredModel):
    """The parameters of a request for predictions."""

    context: Context | None = Field(None, description="What was drawn, in interactive requests.")


def _integer(value: object) -> object:
    """Refuse what pydantic would turn into an integer."""
    if isinstance(value, bool | str):
        raise ValueError("must be an integer")  # noqa: TRY004 (pydantic reports ValueError)
    return value


def _keep_texts(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Keep what may name an image."""
    return {name: value for name, value in data.items() if isinstance(value, str)}


class Task(StoredModel):
    """A task of the project."""

    id: Annotated[int, BeforeValidator(_integer)] | None = None
    data: Annotated[dict[str, JsonValue], AfterValidator(_keep_texts)]
    drafts: Annotated[JsonValue, AfterValidator(lambda _: None)] = Field(
        None, description="Present when the editor asks."
    )

    @property
    def is_open(self) -> bool:
        """Whether the editor asks, which takes an object and no list of predictions."""
        return "drafts" in self.model_fields_set


class PredictRequest(StoredModel):
    """A request for predictions."""

    tasks: tuple[Task, ...] = Field(min_length=1, max_length=MAX_TASKS)
    project: str = Field("", max_length=255)
    label_config: str = Field(description="The label config of the project, XML.")
    params: Params | None = None

    @property
    def context(self) -> Context | None:
        """What was drawn; None in batches."""
        return self.params.context if self.params else None

    @property
    def is_interactive(self) -> bool:
        """Whether the editor asks for one task that it shows."""
        return self.context is not None or any(task.is_open for task in self.tasks)
