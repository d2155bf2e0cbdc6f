"""The explainer's input and output types, and the `Explainer` port.

Nothing here imports a tensor library, so the stub can implement the port without one.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.channels import Channels
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.result import BodyKind, ClassScore, TargetResult
from seewhy.schemas.targets import Target, TargetOrIndex, as_target
from seewhy.schemas.within import Within
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.ports.scoring import DEFAULT_SCORING, Scoring

InputItems = tuple[tuple[str, tuple[float, ...]], ...]
"""Values of inputs by name, sorted by name."""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image at the network's input size, preprocessed."""

    pixels: NDArray[np.float32]
    """(H, W, channels), the network's input."""
    covers: Rectangle
    """The part of the original image that `pixels` shows, in pixels of the original."""
    cache_key: str = ""
    """Names the pixels: images of one key are equal. Empty: the activation is not kept."""
    inputs: InputItems = ()
    """The values of the network's inputs beside the image; those of the catalog if empty."""
    scoring: Scoring = DEFAULT_SCORING
    """How the network's output becomes scores."""

    @property
    def key(self) -> Hashable:
        """Equal for images with equal pixels and inputs, as far as is known."""
        return self.cache_key or id(self), self.inputs


@dataclass(frozen=True, slots=True)
class ExplanationTask:
    """One image, the targets to explain in it and the options to explain them with."""

    image: PreparedImage
    targets: tuple[Target, ...]
    options: MethodOptions = field(default_factory=MethodOptions)

    @classmethod
    def create(
        cls,
        image: PreparedImage,
        targets: Iterable[TargetOrIndex],
        options: MethodOptions | None = None,
    ) -> "ExplanationTask":
        """Create a task; a target may be a class index, or -r for the r-th most probable class.

        The default options ask for Grad-CAM of the logit at the model's target layer.
        """
        return cls(image, tuple(map(as_target, targets)), options or MethodOptions())


@dataclass(frozen=True, slots=True)
class ImageExplanation:
    """The explanation of one image."""

    maps: NDArray[np.float32]
    """(K, h, w), one signed map per target, in the order of the task's targets."""
    targets: tuple[TargetResult, ...]
    """K scores and verdicts, in the same order."""
    top: tuple[ClassScore, ...]
    """The five most probable classes, best first; of a model of values, the first five outputs."""
    covers: Rectangle
    """The part of the original image that the maps cover, in pixels of the original."""
    tried: tuple[str, ...]
    """The methods that ran, in order; more than one if a fallback was needed."""
    method: str
    """The method that produced the maps."""
    layer: str
    """The explained layer; fused layers are joined with ` + `; empty for maps of the pixels."""
    linear: bool
    """Whether the difference of two maps explains the difference of their scores."""
    channels: Channels = "rgb"
    """What the network saw of the colors."""
    body: BodyKind = "computed"
    """Whether the body ran for this image, or its activation was kept from an earlier job."""
    engines: tuple[str, ...] = ()
    """What computed the passes through the body, with versions and precisions."""
    stride_px: int | None = None
    """The distance of two cells in pixels of the network's input; None when it is not known."""
    receptive_field_px: int | None = None
    """The side of the square of these pixels that a cell depends on; None when it is not known."""


class Explainer(Protocol):
    """A loaded model that explains images."""

    @property
    def digest(self) -> str:
        """The digest of the weights."""
        ...

    @property
    def device(self) -> str:
        """The kind of device that the model runs on, such as `cpu` or the name of a GPU."""
        ...

    @property
    def engine(self) -> str:
        """What computes the activations, such as `tensorflow 2.21.0`."""
        ...

    @property
    def max_batch(self) -> int:
        """The most images that are worth explaining together, as far as was measured."""
        ...

    @property
    def pass_s(self) -> float | None:
        """The time of Grad-CAM of one image, as measured by `warm_up`; None if it did not run."""
        ...

    @property
    def memory_bytes(self) -> int:
        """The memory that the model takes, as measured when it was loaded, in bytes."""
        ...

    def prepare(self, image: NDArray[np.uint8], *, within: Within | None = None) -> PreparedImage:
        """Preprocess an RGB image (H, W, 3) for the network. Thread-safe.

        `within` is where the pixels of a model of segments count. Raises `InvalidRequest` when
        it holds none of them.
        """
        ...

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        """Explain each task, in order, and call `checkpoint` between passes. Not thread-safe.

        Raises `OutOfMemory` when the batch does not fit into memory, and what the checkpoint
        raises, after which the explainer can explain other tasks.
        """
        ...

    def warm_up(self) -> None:
        """Compile what most requests need, so that the first requests are not slower."""
        ...
