"""The properties of each explanation method."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

OutputKind = Literal["classes", "values", "segments"]
"""What the outputs of a network are: scores of classes, values such as an age, or segments, which
are scores of classes for each pixel."""
CatalogScores = OutputKind | Literal["embedding"]
"""What the scores of a model are: those of its outputs, or how similar its output, an embedding, is
to the embeddings of reference images."""
RequestedScore = Literal["logit", "probability"]
ScoreKind = RequestedScore | Literal["value"]
"""The explained score: of a class its logit or its probability, or else the value of an output or
the similarity to a reference."""
Normalization = (
    Literal["image", "none"] | Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
)


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """The properties by which a client chooses a method."""

    paper: str
    """An arXiv id or a DOI."""
    linear: bool
    """Whether the difference of two maps explains the difference of their scores."""
    forward_passes: float
    """The approximate cost of one image with one target, in forward passes of VGG16."""
    chooses_rivals: bool = False
    """Whether the method itself chooses the classes to compare with."""
    class_specific: bool = True
    """Whether the map depends on the class."""
    uses_layer: bool = True
    """Whether the map is computed at a layer, which a request may choose."""
    pixel_level: bool = False
    """Whether the map has the resolution of the network's input instead of a layer."""
    fusable: bool = True
    """Whether the maps of several layers can be fused."""


METHOD_INFO: Mapping[str, MethodInfo] = MappingProxyType(
    {
        "gradcam": MethodInfo("arXiv:1610.02391", linear=True, forward_passes=1.0),
        "gradcam++": MethodInfo("arXiv:1710.11063", linear=False, forward_passes=1.0),
        "hirescam": MethodInfo("arXiv:2011.08891", linear=True, forward_passes=1.0),
        "layercam": MethodInfo("doi:10.1109/TIP.2021.3089943", linear=False, forward_passes=1.0),
        "xgradcam": MethodInfo("arXiv:2008.02312", linear=True, forward_passes=1.0),
        "eigencam": MethodInfo(
            "arXiv:2008.00299", linear=False, forward_passes=1.0, class_specific=False
        ),
        "eigengradcam": MethodInfo("arXiv:2008.00299", linear=False, forward_passes=1.0),
        "shapleycam": MethodInfo("arXiv:2501.06261", linear=True, forward_passes=1.0),
        "finercam": MethodInfo(
            "arXiv:2501.11309", linear=False, forward_passes=1.0, chooses_rivals=True
        ),
        "ablationcam": MethodInfo(
            "doi:10.1109/WACV45572.2020.9093360", linear=True, forward_passes=6.0, fusable=False
        ),
        "scorecam": MethodInfo(
            "arXiv:1910.01279", linear=False, forward_passes=513.0, fusable=False
        ),
        "faster-scorecam": MethodInfo(
            "arXiv:1910.01279", linear=False, forward_passes=11.0, fusable=False
        ),
        "smoothgrad": MethodInfo(
            "arXiv:1706.03825",
            linear=False,
            forward_passes=60.0,
            pixel_level=True,
            uses_layer=False,
            fusable=False,
        ),
        "integrated-gradients": MethodInfo(
            "arXiv:1703.01365",
            linear=True,
            forward_passes=96.0,
            pixel_level=True,
            uses_layer=False,
            fusable=False,
        ),
        "guided-backprop": MethodInfo(
            "arXiv:1412.6806",
            linear=False,
            forward_passes=3.0,
            pixel_level=True,
            uses_layer=False,
            fusable=False,
        ),
        "guided-gradcam": MethodInfo(
            "arXiv:1610.02391", linear=False, forward_passes=4.5, pixel_level=True, fusable=False
        ),
        "classic": MethodInfo("arXiv:1610.02391", linear=True, forward_passes=1.0, fusable=False),
    }
)
"""Every method by name. `classic` is available as a preset only."""

CLASSIC = "classic"
METHODS = tuple(name for name in METHOD_INFO if name != CLASSIC)
"""The methods that a request may name."""
