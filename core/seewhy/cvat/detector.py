"""From an image to annotations with the labels of a CVAT project."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from seewhy.annotations.annotation import Annotation
from seewhy.annotations.cvat.shapes import ShapeType
from seewhy.annotations.label_mapping import ClassNames, Label, LabelMapping
from seewhy.annotations.map_annotations import map_annotations
from seewhy.client import Client, Explanation, RegionOptions
from seewhy.cvat.options import DetectorOptions
from seewhy.schemas.labels import Labels
from seewhy.settings import load

_log = logging.getLogger(__name__)


class Detector:
    """Asks a service for the most probable classes of an image and the regions of their maps."""

    labels: tuple[str, ...]
    """The labels of the annotations."""

    def __init__(
        self, client: Client, options: DetectorOptions, *, labels: Sequence[str] | None = None
    ) -> None:
        """Ask the service for the classes of the model.

        Without `labels`, these are the classes and the names of aliases. A label that stands for no
        class is logged. Raises `UnknownClass` when an alias names no class, and `ClientError`.
        """
        self._client = client
        self._options = options
        self._model = options.model or client.models().default
        classes = Labels(client.model(self._model).labels)
        names = (*options.alias, *classes) if labels is None else (*labels, *options.alias)
        self.labels = tuple(dict.fromkeys(names))
        each = [Label(name, (name,)) for name in self.labels]
        self._mapping = LabelMapping(each, options.alias, ClassNames(classes))
        if self._mapping.unmapped:
            _log.warning(
                "the model %s has no class for these labels, so they are never used: %s",
                self._model,
                ", ".join(self._mapping.unmapped),
            )

    def close(self) -> None:
        """Close the connections to the service."""
        self._client.close()

    def detect(
        self,
        image: bytes,
        *,
        shape_of: Callable[[str], ShapeType],
        min_score: float | None = None,
    ) -> list[Annotation]:
        """Return annotations of an image; each has the shape of its label.

        Classes without a label, and annotations with a score below `min_score`, are left out.
        Raises `ClientError`, and `InvalidAnnotation` when the service contradicts itself.
        """
        explanation = self._client.explain(
            image,
            timeout_s=self._options.timeout_s,
            model=self._model,
            method=self._options.method,
            targets=f"top:{self._options.top}",
        )
        annotations: list[Annotation] = []
        for index, target in enumerate(explanation.result.targets if explanation.result else ()):
            label = self._mapping.label_of(target.score.index)
            if label is None or target.score.probability < (min_score or 0.0):
                continue
            with_mask = shape_of(label) is ShapeType.MASK
            annotations += [
                replace(one, label=label)
                for one in self._regions(explanation, index, with_mask=with_mask)
            ]
        return [one for one in annotations if one.score is None or one.score >= (min_score or 0.0)]

    def _regions(
        self, explanation: Explanation, target: int, *, with_mask: bool
    ) -> tuple[Annotation, ...]:
        options: RegionOptions = {
            "threshold": self._options.threshold,
            "components": self._options.components,
        }
        found = self._client.regions(explanation, target=target, **options)
        with_mask = with_mask and bool(found.regions)
        mask = self._client.mask(explanation, target=target, **options) if with_mask else None
        return map_annotations(found, mask)


def connect(options: DetectorOptions) -> Client:
    """Return a client with the API key of the options, or of the setting `SEEWHY_KEY`."""
    given = options.api_key.get_secret_value() if options.api_key else None
    return Client(options.seewhy_url, key=load().key_for_service(given))
