"""An explainer without a network: it explains brightness and takes as long as configured.

For tests and load tests of everything except the model. `python -m seewhy_worker.stub` runs a
complete worker that serves every model of the settings without weights or Keras.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.devices import pin_process
from seewhy.imaging.process_tuning import tune_process
from seewhy.logs.configuration import configure_logging
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.passes import forward_passes
from seewhy.schemas.result import ClassScore, TargetResult, Verdict
from seewhy.schemas.within import Within
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.explain.batch_sizes import BATCH_SIZES
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation, PreparedImage

MAP_SIZE = 7
CLASSES = 5
PASSES_PER_CHUNK = 64
"""Forward passes that take as long as a batch, in methods of many passes."""
CHUNK_S = 0.3
"""The longest time between two checkpoints, unless a pass takes longer."""


class StubExplainer:
    """Implements `seewhy_worker.explain.types.Explainer`: each map is the image, small and gray."""

    digest = "stub"
    device = "stub"
    engine = "stub"
    max_batch = BATCH_SIZES[-1]
    memory_bytes = 0

    def __init__(self, *, batch_s: float = 0.0, pass_s: float = 0.0) -> None:
        """Sleep, to simulate a device: `batch_s` in each batch and in each chunk of many passes.

        Each forward pass takes `pass_s` in addition.
        """
        self._batch_s = batch_s
        self._pass_s = pass_s
        chunk = int(CHUNK_S / pass_s) if pass_s else PASSES_PER_CHUNK
        self._chunk = min(PASSES_PER_CHUNK, max(1, chunk))
        self.pass_s = batch_s + pass_s or None

    def prepare(self, image: NDArray[np.uint8], *, within: Within | None = None) -> PreparedImage:
        """Shrink the image (H, W, 3) to the size of the map; nothing is scored."""
        height_px, width_px, _ = image.shape
        small = cv2.resize(image, (MAP_SIZE, MAP_SIZE), interpolation=cv2.INTER_NEAREST)
        covers = Rectangle(x=0, y=0, width=width_px, height=height_px)
        return PreparedImage(pixels=small.astype(np.float32), covers=covers)

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        """Return the mean over the colors as every map, for all targets and options."""
        passes = sum(forward_passes(task.options, targets=len(task.targets)) for task in tasks)
        self.run_chunk(passes % self._chunk)
        for _ in range(int(passes / self._chunk)):
            checkpoint()
            self.run_chunk(self._chunk)
        return [_explain(task, self.map_of(task), self.engine) for task in tasks]

    def map_of(self, task: ExplanationTask) -> NDArray[np.float32]:
        """Return the map (h, w) of every target of a task."""
        gray: NDArray[np.float32] = task.image.pixels.mean(axis=2)
        return gray

    def run_chunk(self, passes: float) -> None:
        """Do as the device does between two checkpoints."""
        time.sleep(self._batch_s + passes * self._pass_s)

    def warm_up(self) -> None:
        """Do nothing."""


class StubModels:
    """Implements `seewhy_worker.residency.model_source.ModelSource` with models of one size."""

    def __init__(
        self,
        create: Callable[[str], StubExplainer],
        *,
        kind: str = "stub",
        load_s: float = 0.0,
        bytes_: int = 0,
    ) -> None:
        """Let `create` build the explainer of a model, after `load_s`; it takes `bytes_`.

        `kind` is the name of the device and of the engine.
        """
        self.device = self.engine = kind
        self._create = create
        self._load_s = load_s
        self._bytes = bytes_

    def expected_bytes(self, name: str) -> int:
        """Return the size of every model."""
        return self._bytes

    def load(self, name: str) -> StubExplainer:
        """Sleep, then create an explainer."""
        time.sleep(self._load_s)
        explainer = self._create(name)
        explainer.memory_bytes = self._bytes
        return explainer

    def release_memory(self) -> None:
        """Do nothing."""


def _explain(task: ExplanationTask, gray: NDArray[np.float32], engine: str) -> ImageExplanation:
    low, high = float(gray.min()), float(gray.max())
    classes = [t.index if t.index >= 0 else -t.index - 1 for t in task.targets]
    return ImageExplanation(
        maps=np.repeat(gray[np.newaxis], len(classes), axis=0),
        targets=tuple(
            TargetResult(score=_score(index), verdict=Verdict.OK, minimum=low, maximum=high)
            for index in classes
        ),
        top=tuple(map(_score, range(CLASSES))),
        covers=task.image.covers,
        tried=(task.options.method,),
        method=task.options.method,
        layer=" + ".join(task.options.layers) or "brightness",
        linear=True,
        engines=(engine,),
    )


def _score(index: int) -> ClassScore:
    return ClassScore(index=index, label=str(index), logit=-float(index), probability=0.5**index)


def main() -> None:
    """Run a worker with the stub in place of every model."""
    parser = argparse.ArgumentParser(prog="python -m seewhy_worker.stub", description=__doc__)
    parser.add_argument("--batch-ms", type=float, default=0, help="duration of each batch in ms")
    parser.add_argument("--pass-ms", type=float, default=0, help="duration of each pass in ms")
    parser.add_argument("--load-ms", type=float, default=0, help="duration of each load in ms")
    parser.add_argument("--model-bytes", type=int, default=0, help="memory of each model")
    arguments = parser.parse_args()
    times = {"batch_s": arguments.batch_ms / 1000, "pass_s": arguments.pass_ms / 1000}
    tune_process()
    settings = load()
    configure_logging(settings.log_format)
    source = StubModels(
        lambda _: StubExplainer(**times),
        load_s=arguments.load_ms / 1000,
        bytes_=arguments.model_bytes,
    )
    pinned_to = pin_process(settings.worker_device, cores=settings.worker_cores)
    create_worker(settings, source=source, pinned_to=pinned_to).run()


if __name__ == "__main__":
    main()
