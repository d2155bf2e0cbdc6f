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
        "classic": MethodFacts("arXiv:1610.02391", linear=True, forward_passes=1.0),
    }
)
"""Every method by name; `classic` is asked for as a preset only."""
