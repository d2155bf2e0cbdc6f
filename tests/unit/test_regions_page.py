"""docs/regions.md matches the code, and its example is what the service answers."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from images import header_of
from seewhy.imaging.geometry import covered_rectangle
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.imaging.rendering.colormaps import COLORMAPS
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import MAX_HOLES, MAX_REGIONS, MAX_VERTICES, OutlinedRegion

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "regions.md").read_text("utf-8")
COFFEE = 1
"""The index of the photo's map in the recorded maps."""


def example() -> dict[str, Any]:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    body: dict[str, Any] = json.loads(text)
    return body


def test_the_example_is_found_in_the_recorded_map_of_the_photo() -> None:
    width_px, height_px = 600, 400
    signed = np.load(ROOT / "tests" / "golden" / "efficientnet_lite0_maps.npy")[COFFEE]
    covers = covered_rectangle(width_px, height_px, rule="crop", fraction=0.875)
    found = Segmentation(
        signed, rectangle=covers, width_px=width_px, height_px=height_px, threshold="otsu"
    )
    shown = MapRegions.model_validate(example())
    assert shown.covers == covers
    assert (shown.image_width_px, shown.image_height_px) == (width_px, height_px)
    assert (shown.rule, shown.found) == ("otsu", found.found)
    assert (shown.threshold, shown.maximum) == (
        round(found.threshold, 4), round(found.maximum, 4),
    )  # fmt: skip
    (region,), (expected,) = shown.regions, found.outlined_regions(1)
    assert region == OutlinedRegion.model_validate(
        dict(expected) | {"share": round(expected.share, 4)}
    )


def test_the_page_names_every_field_and_colormap() -> None:
    for name in (*OutlinedRegion.model_fields, *COLORMAPS):
        assert f"`{name}`" in PAGE, name


def test_the_page_states_the_limits() -> None:
    assert (MAX_REGIONS, MAX_VERTICES, MAX_HOLES) == (50, 200, 10)
    assert "At most 50 components, 200 vertices of a contour, and ten holes" in PAGE


def test_the_figure_is_small_and_has_three_panels() -> None:
    figure = ROOT / "docs" / "images" / "regions.jpg"
    assert figure.stat().st_size < 100_000
    header = header_of(figure.read_bytes())
    assert (header.width_px, header.height_px) == (1200, 267)
