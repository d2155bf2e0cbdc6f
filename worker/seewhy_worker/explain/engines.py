"""The port of engines: what computes the activations of a network."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seewhy_worker.keras_backend.bodies import CutSpec
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.precision import Precision


class EngineBody(Protocol):
    """A compiled body for one batch size."""

    @property
    def cuts(self) -> Mapping[str, CutSpec]:
        """The shapes and types of the tensors of each cut, by its name."""
        ...

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, CutTensors]:
        """Return the tensors of each cut for pixels (batch, H, W, 3). Raises `OutOfMemory`."""
        ...


class Engine(Protocol):
    """Compiles bodies. Heads and gradients are TensorFlow's with every engine."""

    @property
    def name(self) -> str:
        """Its name, version and precision, such as `openvino 2026.4.1 bfloat16`."""
        ...

    @property
    def openvino_precision(self) -> Precision | None:
        """In which precision OpenVINO computes; None for other engines."""
        ...

    @property
    def rounds(self) -> bool:
        """Whether it computes with fewer bits than the network has."""
        ...

    @property
    def is_default(self) -> bool:
        """Whether it computes as heads do: with TensorFlow, as the network is."""
        ...

    def body(self, *models: SplitModel, batch: int) -> EngineBody:
        """Compile the body to the first cuts of splits of one network.

        Raises `OutOfMemory`, and `EngineFailed` when the engine cannot compute the network.
        """
        ...
