"""An explainer without a network: it explains brightness, at a speed of your choice.

For tests and load tests of everything around the model: `python -m seewhy_worker.stub` is a whole
worker that answers for every model of its settings, and needs neither weights nor Keras.
"""

import argparse
import logging
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import ClassScore, TargetResult, Verdict
from seewhy.schemas.targets import TargetOrIndex, as_target
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.explain.types import ImageExplanation, PreparedImage

MAP_SIZE = 7
CLASSES = 5


class StubExplainer:
    """Implements `seewhy_worker.explain.types.ExplainerPort`: a map is the picture, tiny and grey."""

    digest = "stub"

    def __init__(self, *, batch_s: float = 0.0) -> None:
        """Take `batch_s` for each batch, as a device would."""
        self._batch_s = batch_s

    def prepare(self, picture: NDArray[np.uint8]) -> PreparedImage:
        """Shrink the picture to the map's size."""
        height_px, width_px, _ = picture.shape
        small = cv2.resize(picture, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_NEAREST)
        covers = Rectangle(x=0, y=0, width=width_px, height=height_px)
        return PreparedImage(pixels=small.astype(np.float32), covers=covers)

    def explain(
        self,
        prepared: Sequence[PreparedImage],
        targets: Sequence[tuple[TargetOrIndex, ...]],
        recipes: Sequence[MethodOptions] | None = None,
    ) -> list[ImageExplanation]:
        """Call the mean over the channels the evidence, whatever the target and the method."""
        time.sleep(self._batch_s)
        return [
            self._explain(*asked)
            for asked in zip(
                prepared, targets, recipes or [MethodOptions()] * len(prepared), strict=True
            )
        ]

    def warm_up(self) -> None:
        """Nothing needs warming."""

    def _explain(
        self, picture: PreparedImage, wanted: tuple[TargetOrIndex, ...], recipe: MethodOptions
    ) -> ImageExplanation:
        grey = picture.pixels.mean(axis=2)
        maps = np.repeat(grey[np.newaxis], len(wanted), axis=0)
        low, high = float(grey.min()), float(grey.max())
        ranks = [as_target(target).index for target in wanted]
        indices = [rank if rank >= 0 else -rank - 1 for rank in ranks]
        return ImageExplanation(
            maps=maps,
            targets=tuple(
                TargetResult(score=_score(i), verdict=Verdict.OK, minimum=low, maximum=high)
                for i in indices
            ),
            top=tuple(_score(index) for index in range(CLASSES)),
            covers=picture.covers,
            tried=(recipe.method,),
            method=recipe.method,
            layer="brightness",
            linear=True,
        )


def _score(index: int) -> ClassScore:
    return ClassScore(index=index, label=str(index), logit=-float(index), probability=0.5**index)


def main() -> None:
    """Run a worker that needs no model."""
    parser = argparse.ArgumentParser(prog="python -m seewhy_worker.stub", description=__doc__)
    parser.add_argument("--batch-ms", type=float, default=0, help="time that each batch takes")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = load()
    explainer = StubExplainer(batch_s=arguments.batch_ms / 1000)
    explainers = dict.fromkeys(settings.resident_models, explainer)
    create_worker(settings, explainers=explainers).run()


if __name__ == "__main__":
    main()
