"""The bodies of requests from Label Studio. Fields that are not used here are ignored."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from seewhy.schemas.base_models import StoredModel

MAX_TASKS = 10_000


class SetupRequest(StoredModel):
    """Label Studio sends it whenever it shows or uses the backend."""

    project: str = Field(
        "", max_length=255, description="The id of the project and the time of its creation."
    )
    label_config: str = Field(alias="schema", description="The label config of the project, XML.")
    hostname: str | None = Field(None, description="The URL of Label Studio.")
    access_token: str | None = Field(None, description="A legacy token of its user.")
    extra_params: str | None = Field(
        None, description="The extra parameters of the backend: a JSON object, or nothing."
    )

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Context(StoredModel):
    """What was drawn in the editor."""

    result: tuple[dict[str, JsonValue], ...] = ()


class Params(StoredModel):
    """The parameters of a request for predictions."""

    context: Context | None = Field(None, description="What was drawn, in interactive requests.")


def _integer(value: object) -> object:
    """Refuse what pydantic would turn into an integer."""
    if isinstance(value, bool | str):
        raise ValueError("must be an integer")  # noqa: TRY004 (pydantic reports ValueError)
    return value


class Task(StoredModel):
    """A task of the project."""

    id: Annotated[int, BeforeValidator(_integer)] | None = None
    data: dict[str, JsonValue]
    drafts: JsonValue = Field(None, description="Present when the editor asks.")

    @property
    def is_open(self) -> bool:
        """Whether the editor asks, which takes an object and no list of predictions."""
        return "drafts" in self.model_fields_set


def _check_count(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    if len(tasks) > MAX_TASKS:
        raise ValueError(f"has more than {MAX_TASKS:,} tasks")
    return tasks


class PredictRequest(StoredModel):
    """A request for predictions."""

    tasks: Annotated[tuple[Task, ...], AfterValidator(_check_count)] = Field(
        min_length=1, description=f"At most {MAX_TASKS:,} tasks."
    )
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
    for region in reversed(context.result if context else ()):
        kind, value, name = region.get("type"), region.get("value"), region.get("from_name")
        labels: Any = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
        if isinstance(name, str) and isinstance(labels, list) and labels:
            return (name, labels[0]) if isinstance(labels[0], str) else None
    return None
