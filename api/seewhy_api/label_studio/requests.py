"""The bodies of requests from Label Studio. Only what is used of them is kept."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from seewhy.schemas.base_models import StoredModel

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


_Region = dict[str, JsonValue]
"""A result of Label Studio, as the editor sends what was drawn."""


def _keep_last_label(regions: Sequence[_Region]) -> tuple[_Region, ...]:
    """Keep the control tag and the first label of the region that was drawn last."""
    for region in reversed(regions):
        kind, value, name = region.get("type"), region.get("value"), region.get("from_name")
        labels = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
        if isinstance(name, str) and isinstance(labels, list) and labels:
            label = labels[0] if isinstance(labels[0], str) else None
            return ({"from_name": name, "label": label},)
    return ()


class Context(StoredModel):
    """What was drawn in the editor."""

    result: Annotated[tuple[_Region, ...], AfterValidator(_keep_last_label)] = ()


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


def drawn_label(context: Context | None) -> tuple[str, str] | None:
    """Return the control tag and the label of the region that was drawn last; None without one."""
    for region in context.result if context else ():
        name, label = region["from_name"], region["label"]
        if isinstance(name, str) and isinstance(label, str):
            return name, label
    return None
