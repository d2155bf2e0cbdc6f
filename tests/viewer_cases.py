"""Maps on images, and how their regions are found, for Python and for the viewer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.geometry import pixel_slices
from seewhy.imaging.maps import enlarge, evidence
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Threshold
from viewer_modules import encoded

RULES: tuple[Threshold, ...] = (0.15, 0.5, 0.9, "otsu", "p90", "p50", "p75.5")


class Case:
    """A map on an image, and how its regions are found; the same for the same number."""

    def __init__(self, number: int) -> None:
        random = np.random.default_rng(number)
        self.rule = RULES[number % len(RULES)]
        height, width = random.integers(1, 17, 2)
        magnitude = np.float32(10.0 ** random.integers(-6, 6))
        values = random.normal(size=(height, width)).astype(np.float32) * magnitude
        self.map = self._spoil(values, number % 11, random)
        self.image_width_px, self.image_height_px = (int(n) for n in random.integers(1, 300, 2))
        self.covers = self._cover(number % 3, random)
        self.polarity: Any = ("positive", "negative")[number % 2]

    @staticmethod
    def _spoil(
        values: NDArray[np.float32], kind: int, random: np.random.Generator
    ) -> NDArray[np.float32]:
        some = random.random(values.shape) < 0.2
        spoiled = {
            1: np.where(some, np.nan, values),
            2: np.where(some, np.inf * np.sign(values), values),
            3: np.full_like(values, 3.25),
            4: -np.abs(values),
            5: np.zeros_like(values),
            6: np.round(3 * values / np.abs(values).max()),
            7: values * np.float32(1e-40),
            8: np.where(some, values, 0),
        }
        return np.asarray(spoiled.get(kind, values), np.float32)

    def _cover(self, kind: int, random: np.random.Generator) -> Rectangle:
        width, height = float(self.image_width_px), float(self.image_height_px)
        if kind == 0:
            return Rectangle(x=0, y=0, width=width, height=height)
        if kind == 1:
            side = max(1, int(0.875 * min(width, height)))
            return Rectangle(
                x=(width - side + 1) // 2, y=(height - side + 1) // 2, width=side, height=side
            )
        x, y, across, down = (float(n) for n in random.random(4) / 2)
        return Rectangle(
            x=x * width, y=y * height, width=0.5 + across * width, height=0.5 + down * height
        )

    def segmentation(self) -> Segmentation:
        return Segmentation(
            self.map,
            rectangle=self.covers,
            width_px=self.image_width_px,
            height_px=self.image_height_px,
            threshold=self.rule,
            polarity=self.polarity,
        )

    def enlarged(self) -> NDArray[np.float32]:
        """Return the evidence on the pixels that the map covers."""
        rows, columns = pixel_slices(
            self.covers, width_px=self.image_width_px, height_px=self.image_height_px
        )
        return enlarge(
            evidence(self.map, polarity=self.polarity),
            width_px=columns.stop - columns.start,
            height_px=rows.stop - rows.start,
        )

    def data(self) -> dict[str, Any]:
        """Return the case as the page reads it."""
        return {
            "map": encoded(self.map),
            "mapHeight": self.map.shape[0],
            "mapWidth": self.map.shape[1],
            "covers": self.covers.model_dump(),
            "imageWidthPx": self.image_width_px,
            "imageHeightPx": self.image_height_px,
            "rule": rule_of(self.rule),
            "polarity": self.polarity,
        }


def rule_of(rule: Threshold) -> dict[str, Any]:
    """Return a threshold as the viewer names it."""
    if isinstance(rule, float):
        return {"kind": "fraction", "value": rule}
    if rule == "otsu":
        return {"kind": "otsu"}
    return {"kind": "percentile", "value": float(rule.removeprefix("p"))}
