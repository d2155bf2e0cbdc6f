"""The items of a batch as items of a data set: images, regions and heatmaps from the service."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.annotations.map_annotations import map_annotations
from seewhy.client.errors import ImageNotExplained
from seewhy.client.responses import Problem
from seewhy.datasets.dataset import DatasetItem
from seewhy.datasets.options import Shape
from seewhy.errors import InvalidAnnotation

if TYPE_CHECKING:
    from seewhy.client import Client, Explanation, ItemResult, RegionOptions

_MAX_STEM = 80


def fetch_item(
    client: "Client",
    item: "ItemResult",
    *,
    shape: Shape,
    heatmaps: bool,
    options: "RegionOptions",
) -> DatasetItem:
    """Fetch what a data set needs of an item.

    Targets that are evidence against a class are no annotations and are left out. Raises
    `ClientError` when the item has no result, or the service refuses or cannot be reached, and
    `InvalidAnnotation` when its mask and its regions differ, or a drawing is none.
    """
    explanation = item.explanation
    if explanation is None or explanation.result is None:
        ended = Problem(code=item.status, detail=f"the item is {item.status}")
        raise ImageNotExplained(item.error or ended)
    targets = [n for n, target in enumerate(explanation.result.targets) if not target.against]
    regions: list[Annotation] = []
    classes: list[Annotation] = []
    for target in targets:
        found = client.regions(explanation, target=target, **options)
        with_mask = shape is Shape.MASK and found.regions
        mask = client.mask(explanation, target=target, **options) if with_mask else None
        regions += map_annotations(found, mask)
        probability = found.target.probability
        classes.append(Annotation(label=found.target.label, score=probability))
    # Without opacity, the overlay is the upright image in the colors that the model saw.
    image = client.overlay(explanation, alpha=0, format="png")
    with _opened(image) as opened:
        size = ImageSize(*opened.size)
    return DatasetItem(
        name=f"{_stem(item)}.png",
        image=image,
        size=size,
        classes=tuple(classes),
        regions=tuple(regions),
        heatmap=_gray_heatmap(client, explanation, targets[0]) if heatmaps and targets else None,
    )


def _stem(item: "ItemResult") -> str:
    """Return a file name without its ending: the index, and what is left of the key."""
    key = re.sub(r"\.(jpe?g|png|webp)$", "", item.key or "", flags=re.IGNORECASE)
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", key).strip("-.")[-_MAX_STEM:]
    return f"{item.index:05d}-{words}" if words else f"{item.index:05d}"


@contextmanager
def _opened(png: bytes) -> Iterator[Image.Image]:
    """Open a drawing. Raises `InvalidAnnotation` when it is no PNG."""
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
            yield opened
    except (OSError, SyntaxError) as error:  # as Pillow raises
        raise InvalidAnnotation("the service has sent a drawing that is no PNG") from error


def _gray_heatmap(client: "Client", explanation: "Explanation", target: int) -> bytes:
    """Return the heatmap of a target as gray values, 0 where the map has no cells."""
    colored = client.heatmap(explanation, target=target, colormap="gray", format="png")
    with _opened(colored) as opened:
        pixels = np.asarray(opened.convert("RGBA"))
    gray = np.where(pixels[..., 3] > 0, pixels[..., 0], 0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG")
    return file.getvalue()
