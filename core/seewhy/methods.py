"""What is known of each explanation method, apart from its maths."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What a client chooses a method by."""

    paper: str
    linear: bool
    """Whether the difference of two maps explains the difference of their scores."""
    forward_passes: float
    """About what one picture with one target costs, all in all, of VGG16."""
    own_rivals: bool = False
    """Whether it chooses by itself what to compare a class with."""
    of_a_class: bool = True
    """Whether the map depends on the class at all."""
    has_layer: bool = True
    """Whether it looks into the network at a layer, which can be chosen."""
    of_pixels: bool = False
    """Whether the map has the resolution of the network's input, not of a layer."""
    fuses: bool = True
    """Whether maps of several layers can be fused."""


FACTS: Mapping[str, MethodFacts] = MappingProxyType(
    {
        "gradcam": MethodFacts("arXiv:1610.02391", linear=True, forward_passes=1.0),
        "gradcam++": MethodFacts("arXiv:1710.11063", linear=False, forward_passes=1.0),
        "hirescam": MethodFacts("arXiv:2011.08891", linear=True, forward_passes=1.0),
        "layercam": MethodFacts("doi:10.1109/TIP.2021.3089943", linear=False, forward_passes=1.0),
        "xgradcam": MethodFacts("arXiv:2008.02312", linear=True, forward_passes=1.0),
        "eigencam": MethodFacts(
            "arXiv:2008.00299", linear=False, forward_passes=1.0, of_a_class=False
        ),
        "eigengradcam": MethodFacts("arXiv:2008.00299", linear=False, forward_passes=1.0),
        "shapleycam": MethodFacts("arXiv:2501.06261", linear=True, forward_passes=1.0),
        "finercam": MethodFacts(
            "arXiv:2501.11309", linear=False, forward_passes=1.0, own_rivals=True
        ),
        "ablationcam": MethodFacts(
            "doi:10.1109/WACV45572.2020.9093360", linear=True, forward_passes=6.0, fuses=False
        ),
        "scorecam": MethodFacts(
            "arXiv:1910.01279", linear=False, forward_passes=513.0, fuses=False
        ),
        "faster-scorecam": MethodFacts(
            "arXiv:1910.01279", linear=False, forward_passes=11.0, fuses=False
        ),
        "smoothgrad": MethodFacts(
            "arXiv:1706.03825",
            linear=False,
            forward_passes=60.0,
            of_pixels=True,
            has_layer=False,
            fuses=False,
        ),
        "integrated-gradients": MethodFacts(
            "arXiv:1703.01365",
            linear=True,
            forward_passes=96.0,
            of_pixels=True,
            has_layer=False,
            fuses=False,
        ),
        "guided-backprop": MethodFacts(
            "arXiv:1412.6806",
            linear=False,
            forward_passes=3.0,
            of_pixels=True,
            has_layer=False,
            fuses=False,
        ),
        "guided-gradcam": MethodFacts(
            "arXiv:1610.02391", linear=False, forward_passes=4.5, of_pixels=True, fuses=False
        ),
        "classic": MethodFacts("arXiv:1610.02391", linear=True, forward_passes=1.0, fuses=False),
    }
)
"""Every method by name; `classic` is asked for as a preset only."""
