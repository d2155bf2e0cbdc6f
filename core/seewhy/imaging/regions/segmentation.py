"""Divide an image into the regions of a map, and describe, outline or draw them."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import AnyMapArray, ImageArray
from seewhy.imaging.geometry import pixel_slices
from seewhy.imaging.maps import SMALLEST_MAXIMUM, enlarge, evidence
from seewhy.imaging.regions.contour import outline
from seewhy.imaging.regions.threshold import threshold_share
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import OutlinedRegion, Point, Region, Threshold

RegionPolarity = Literal["positive", "negative"]

_CONNECTIVITY = 8


class Segmentation:
    """The pixels of an image whose evidence reaches a threshold, and their components.

    Evidence is interpolated as in the overlay. Components touch at edges or corners of pixels.
    Its peak of memory is described in `seewhy.imaging.pixel_budget`.
    """

    maximum: float
    """The strongest evidence of a cell; 0 without evidence."""
    threshold: float
    """The smallest evidence of a region, in the unit of the map."""

    def __init__(
        self,
        signed: AnyMapArray,
        *,
        rectangle: Rectangle,
        width_px: int,
        height_px: int,
        threshold: Threshold,
        polarity: RegionPolarity = "positive",
    ) -> None:
        """Segment a map `(map_height, map_width)` that covers a rectangle of an image.

        Evidence of the other polarity, and values that are not finite, count as 0, which is in no
        region. Without evidence there are no regions.
        """
        self._size_px = width_px, height_px
        self._rectangle = rectangle
        self._rows, self._columns = pixel_slices(rectangle, width_px=width_px, height_px=height_px)
        strength = evidence(signed, polarity=polarity)
        maximum = float(strength.max(initial=0.0))
        self.maximum = maximum if maximum >= SMALLEST_MAXIMUM else 0.0
        scale = self.maximum or 1.0
        # Shares of the maximum, so that no sum of evidence overflows.
        self._cells = (strength.astype(np.float64) / scale).astype(np.float32)
        share = threshold_share(self._cells, threshold) if self.maximum else 0.0
        self.threshold = share * self.maximum
        self._shares = enlarge(
            self._cells,
            width_px=self._columns.stop - self._columns.start,
            height_px=self._rows.stop - self._rows.start,
        )
        smallest = max(np.float32(share), np.finfo(np.float32).tiny)
        reached = (self._shares >= smallest).view(np.uint8)
        _, self._labels, self._stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
            reached, _CONNECTIVITY, cv2.CV_32S, cv2.CCL_GRANA
        )
        areas_px = self._stats[1:, cv2.CC_STAT_AREA]
        # A stable sort: of components of the same size, the first in reading order comes first.
        self._ranked = [int(n) + 1 for n in np.argsort(-areas_px, kind="stable")]

    @property
    def found(self) -> int:
        """The number of components."""
        return len(self._ranked)

    def regions(self, count: int) -> tuple[Region, ...]:
        """Describe the largest components, largest first."""
        total = float(self._shares.sum(dtype=np.float64))
        cell_labels = self._cell_labels()
        return tuple(
            self._describe(label, cell_labels == label, total) for label in self._ranked[:count]
        )

    def outlined_regions(self, count: int) -> tuple[OutlinedRegion, ...]:
        """Describe and outline the largest components, largest first."""
        outlined = []
        for label, region in zip(self._ranked, self.regions(count), strict=False):
            drawn = outline(
                self._component(label), left_px=int(region.box.x), top_px=int(region.box.y)
            )
            fields = {**dict(region), "contour": drawn.contour, "holes": drawn.holes}
            outlined.append(OutlinedRegion(**fields))
        return tuple(outlined)

    def mask(self, count: int) -> ImageArray:
        """Draw the largest components: 255 in them and 0 elsewhere, `(height, width)`."""
        width_px, height_px = self._size_px
        drawn = np.zeros((height_px, width_px), np.uint8)
        covered = drawn[self._rows, self._columns]
        if count >= self.found:  # a fine map may have very many
            covered[self._labels > 0] = 255
            return drawn
        for label in self._ranked[:count]:
            covered[self._slices(label)] |= self._component(label) * np.uint8(255)
        return drawn

    def _describe(self, label: int, cells: NDArray[np.bool_], total: float) -> Region:
        """Describe a component; `cells` are those whose center is in it."""
        rows, columns = self._slices(label)
        left_px, top_px = self._columns.start + columns.start, self._rows.start + rows.start
        area_px = int(self._stats[label, cv2.CC_STAT_AREA])
        values, component = self._shares[rows, columns], self._component(label)
        if cells.any():
            row, column = np.unravel_index(np.argmax(np.where(cells, self._cells, -1)), cells.shape)
            score, peak = float(self._cells[row, column]), self._cell_center(row, column)
        else:  # a map finer than the image
            _, score, _, (x, y) = cv2.minMaxLoc(values, component)
            peak = Point(x=left_px + x + 0.5, y=top_px + y + 0.5)
        share = cv2.mean(values, component)[0] * area_px / total
        height, width = values.shape
        return Region(
            box=Rectangle(x=left_px, y=top_px, width=width, height=height),
            area_px=area_px,
            peak=peak,
            score=score,
            share=min(share, 1.0),
        )

    def _slices(self, label: int) -> tuple[slice, slice]:
        """Return the rows and columns of a component's box, among the covered pixels."""
        left, top, width, height, _ = (int(number) for number in self._stats[label])
        return slice(top, top + height), slice(left, left + width)

    def _component(self, label: int) -> ImageArray:
        """Return the pixels of a component's box: 1 in the component and 0 elsewhere."""
        return np.asarray(self._labels[self._slices(label)] == label).view(np.uint8)

    def _cell_center(self, row: int | np.intp, column: int | np.intp) -> Point:
        height, width = self._cells.shape
        covers = self._rectangle
        return Point(
            x=covers.x + covers.width * (float(column) + 0.5) / width,
            y=covers.y + covers.height * (float(row) + 0.5) / height,
        )

    def _cell_labels(self) -> NDArray[np.int32]:
        """Return the label of the pixel at the center of each cell, `(map_height, map_width)`."""
        rows, columns = (
            ((np.arange(cells) + 0.5) * pixels / cells).astype(int)
            for cells, pixels in zip(self._cells.shape, self._labels.shape, strict=True)
        )
        return np.asarray(self._labels[np.ix_(rows, columns)])
