"""An explanation as the service returns it: it shows and saves itself."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from pydantic import Field, JsonValue, PrivateAttr

from seewhy.client.connection import Connection, NotConnected
from seewhy.client.drawing_options import DrawingOptions
from seewhy.client.notebook import Display
from seewhy.client.responses import (
    ExplanationResult,
    Links,
    OtherMaps,
    Problem,
    Response,
    SecondsLeft,
    Target,
    WebhookStatus,
)
from seewhy.client.tables import to_pandas
from seewhy.errors import SeewhyError
from seewhy.schemas.job import JobState

if TYPE_CHECKING:
    from pandas import DataFrame


class Explanation(Response):
    """One explanation, in the state in which the service returned it.

    `overlay`, `html` and `save` fetch from the service, with the `Client` that returned the
    explanation. Without one they raise `NotConnected`: for an explanation that was parsed,
    deep-copied or unpickled, and for one of an `AsyncClient`, whose methods are awaited instead.
    """

    id: str
    status: JobState
    model: str
    method: str
    priority: str
    inputs: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The values of the model's inputs beside the image."""
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    attempts: int = 0
    image_id: str | None = None
    cached: bool = False
    queue_position: int | None = None
    eta_s: SecondsLeft | None = None
    warnings: tuple[Problem, ...] = ()
    cancel_requested: bool = False
    submitted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: Problem | None = None
    result: ExplanationResult | None = None
    webhook: WebhookStatus | None = None
    links: Links
    downloads: dict[str, str] = Field(default_factory=dict)
    _connection: Connection = PrivateAttr(default_factory=Connection)

    def overlay(self, *, target: int = 0, **options: Unpack[DrawingOptions]) -> bytes:
        """Return one target's heatmap over the image, as `Client.overlay` does."""
        return self._connection.require().overlay(self, target=target, **options)

    def save(self, path: Path | str, *, target: int = 0, **options: Unpack[DrawingOptions]) -> Path:
        """Save a drawing, a page or the maps, by the ending of the name, as `Client.save` does."""
        return self._connection.require().save(self, Path(path), target=target, **options)

    def html(self, *, target: int = 0, **options: Unpack[DrawingOptions]) -> str:
        """Return one HTML file that opens without the service, as `Client.html` does."""
        return self._connection.require().html(self, target=target, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values; numbers that are not finite are None.

        `Explanation.model_validate` reads them again.
        """
        fields: dict[str, Any] = json.loads(self.model_dump_json())
        return fields

    def to_pandas(self) -> "DataFrame":
        """Return one row for each map; see `seewhy.client.to_pandas`. Raises `ImportError`."""
        return to_pandas([self])

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each map, or one row that says why there is none."""
        common = {
            "id": self.id,
            "status": self.status.value,
            "error": self.error.code if self.error else None,
            "model": self.model,
        }
        if self.result is None:
            return [common | {"method": self.method}]
        sets: tuple[ExplanationResult | OtherMaps, ...] = (self.result, *self.result.other_maps)
        return [
            common | {"method": one.method, "layer": one.layer, "target": index} | _numbers(target)
            for one in sets
            for index, target in enumerate(one.targets)
        ]

    def connected_to(self, connection: Connection) -> "Explanation":
        """Return itself, fetching with a client from now on."""
        self._connection = connection
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Show itself in a notebook: as a page in a frame, as an image or as text."""
        return self._display().mimebundle()

    def _repr_html_(self) -> str:
        html: str = self._display().mimebundle()["text/html"]
        return html

    def _display(self) -> Display:
        reason = f": {self.error.detail}" if self.error else ""
        title = f"{self.model}, {self.method}: {self.status}{reason}"
        rows = tuple(map(_shown, self.result.targets if self.result else ()))
        if self.status is not JobState.SUCCEEDED:
            return Display(title=title, rows=rows)
        try:
            overlay, page = self.overlay(size=480), self.html(size=640)
        except NotConnected:
            return Display(title=title, rows=rows)
        except SeewhyError as error:
            return Display(title=title, rows=rows, note=str(error))
        return Display(title=title, rows=rows, overlay=overlay, page=page)


class Event(Response):
    """A change of an explanation's state. A terminal event carries the explanation."""

    id: str
    status: JobState
    explanation: Explanation | None = None


def _numbers(target: Target) -> dict[str, Any]:
    """Return the values of a target that do not nest."""
    return {
        "class_index": target.score.index,
        "label": target.score.label,
        "probability": target.score.probability,
        "logit": target.score.logit,
        "value": target.score.value,
        "against": target.against,
        "verdict": target.verdict.value,
        "minimum": target.minimum,
        "maximum": target.maximum,
    } | (target.trust.model_dump() if target.trust else {})


def _shown(target: Target) -> tuple[str, str, str]:
    """Return the class, its probability or value, and the verdict as text."""
    score = target.score
    return f"{score.label} ({score.index})", score.text, target.verdict.value
