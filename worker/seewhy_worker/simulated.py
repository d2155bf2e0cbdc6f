"""A simulated device: it replaces only the call of the network, for load tests without a GPU.

`python -m seewhy_worker.simulated --batch-ms 80 --image-ms 40` runs a complete worker: it claims,
fetches, decodes and preprocesses as every worker does, then sleeps without holding the interpreter,
and renders, stores and reports a map that was computed in advance. Only who starts workers can
choose it. Its results name the engine `simulated` in place of the digest of weights.
"""

import argparse
import logging
import sys
import threading

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.devices import pin_process
from seewhy.errors import SeewhyError
from seewhy.imaging.process_tuning import tune_process
from seewhy.logs.configuration import configure_logging
from seewhy.schemas.within import Within
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.stub import PASSES_PER_CHUNK, StubExplainer, StubModels

MAP_SIDE = 14
"""That of VGG16 at its last block."""

_log = logging.getLogger(__name__)


class SimulatedExplainer(StubExplainer):
    """Explains a batch in `batch_s` and in addition `pass_s` for each forward pass."""

    digest = device = engine = "simulated"

    def __init__(
        self, spec: ModelSpec, *, lock: threading.Lock, batch_s: float, pass_s: float
    ) -> None:
        """Simulate the model of `spec` on the device of `lock`, which runs one batch at a time."""
        super().__init__(batch_s=batch_s, pass_s=pass_s)
        self._chunk = PASSES_PER_CHUNK  # no batch is divided
        self._spec = spec
        self._lock = lock
        axis = np.linspace(-2, 2, MAP_SIDE, dtype=np.float32)
        self._map: NDArray[np.float32] = np.exp(-(axis[:, np.newaxis] ** 2 + axis**2))

    def prepare(self, image: NDArray[np.uint8], *, within: Within | None = None) -> PreparedImage:
        """Preprocess an RGB image (H, W, 3) as for the real network, but for no selection."""
        pixels, covers = prepare(image, self._spec)
        return PreparedImage(pixels=pixels, covers=covers)

    def run_chunk(self, passes: float) -> None:
        """Occupy the device."""
        with self._lock:
            super().run_chunk(passes)

    def map_of(self, task: ExplanationTask) -> NDArray[np.float32]:
        """Return the same map (h, w) for every image."""
        return self._map


def main() -> None:
    """Run until SIGTERM; exit with status 1 and a message if the settings are wrong."""
    parser = argparse.ArgumentParser(prog="python -m seewhy_worker.simulated", description=__doc__)
    parser.add_argument("--batch-ms", type=float, default=80, help="duration of a batch in ms")
    parser.add_argument(
        "--image-ms", type=float, default=40, help="additional duration of each image in ms"
    )
    parser.add_argument("--load-ms", type=float, default=0, help="duration of each load in ms")
    arguments = parser.parse_args()
    times = {"batch_s": arguments.batch_ms / 1000, "pass_s": arguments.image_ms / 1000}
    tune_process()
    try:
        settings = load()
        configure_logging(settings.log_format)
        pinned_to = pin_process("cpu", cores=settings.worker_cores)
        catalog, lock = Catalog.load(settings), threading.Lock()
        source = StubModels(
            lambda name: SimulatedExplainer(catalog.get(name), lock=lock, **times),
            kind=SimulatedExplainer.device,
            load_s=arguments.load_ms / 1000,
        )
        worker = create_worker(settings, source=source, pinned_to=pinned_to)
    except SeewhyError as error:
        sys.exit(f"seewhy worker: {error}")
    _log.warning("This worker simulates its models: their maps are the same for every image")
    worker.run()


if __name__ == "__main__":
    main()
