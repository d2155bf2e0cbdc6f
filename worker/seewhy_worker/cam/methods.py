"""The methods by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from seewhy.errors import UnknownMethod
from seewhy.methods import FACTS
from seewhy_worker.cam.classic import classic
from seewhy_worker.cam.eigencam import eigencam
from seewhy_worker.cam.eigengradcam import eigengradcam
from seewhy_worker.cam.finercam import nearest_rivals
from seewhy_worker.cam.gradcam import gradcam
from seewhy_worker.cam.gradcam_plus_plus import gradcam_plus_plus
from seewhy_worker.cam.hirescam import hirescam
from seewhy_worker.cam.layercam import layercam
from seewhy_worker.cam.shapleycam import shapleycam
from seewhy_worker.cam.xgradcam import xgradcam


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make maps from activations and gradients, both (M, h, w, C)."""

    name: str
    maps: Callable[..., Any]
    """`maps(activation, …, *, xp)` → (M, h, w), signed; further arrays as `needs` says."""
    needs: Literal["activation", "gradient", "curvature"] = "gradient"
    """The last of the arrays that `maps` takes; those before it go before it."""
    rivals: Callable[..., Any] | None = None
    """`rivals(scores, classes, *, xp)` → the classes whose mean is taken off a class's score."""

    @property
    def linear(self) -> bool:
        """Whether the map is linear in the score, so that maps may be subtracted."""
        return FACTS[self.name].linear


_METHODS = {
    method.name: method
    for method in (
        Method("gradcam", gradcam),
        Method("gradcam++", gradcam_plus_plus),
        Method("hirescam", hirescam),
        Method("layercam", layercam),
        Method("xgradcam", xgradcam),
        Method("eigencam", eigencam, needs="activation"),
        Method("eigengradcam", eigengradcam),
        Method("shapleycam", shapleycam, needs="curvature"),
        Method("finercam", gradcam, rivals=nearest_rivals),
        Method("classic", classic),
    )
}


def find_method(name: str) -> Method:
    """Look a method up; raises `UnknownMethod`, which lists what there is."""
    try:
        return _METHODS[name]
    except KeyError:
        known = ", ".join(_METHODS)
        raise UnknownMethod(f"there is no method {name!r}; there are: {known}") from None
