"""The methods by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from seewhy.errors import UnknownMethod
from seewhy.schemas.methods import METHOD_INFO
from seewhy_worker.cam.ablationcam import ablationcam
from seewhy_worker.cam.classic import classic
from seewhy_worker.cam.eigencam import eigencam
from seewhy_worker.cam.eigengradcam import eigengradcam
from seewhy_worker.cam.finercam import nearest_rivals
from seewhy_worker.cam.gradcam import gradcam
from seewhy_worker.cam.gradcam_plus_plus import gradcam_plus_plus
from seewhy_worker.cam.guided import guided_backprop, guided_gradcam
from seewhy_worker.cam.hirescam import hirescam
from seewhy_worker.cam.integrated_gradients import WEIGHTS, integrated_gradients, on_the_way
from seewhy_worker.cam.layercam import layercam
from seewhy_worker.cam.scorecam import FASTER_CHANNELS, scorecam
from seewhy_worker.cam.shapleycam import shapleycam
from seewhy_worker.cam.smoothgrad import SAMPLES, noisy, smoothgrad
from seewhy_worker.cam.xgradcam import xgradcam


@dataclass(frozen=True, slots=True)
class GradientPoints:
    """Where the gradient with respect to the picture is taken, and what each place counts."""

    of: Callable[..., Any]
    """`of(picture, black, *, xp)` → (n, H, W, 3), from two pictures (H, W, 3) of the network."""
    weights: tuple[float, ...]
    """n numbers; together 1."""


_PICTURE = GradientPoints(lambda picture, black, xp: picture[None], (1.0,))


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make maps. What it is given comes in rows, one for each target of a picture."""

    name: str
    maps: Callable[..., Any]
    """`maps(…, *, xp)` → (M, h, w), signed; of the arrays that `needs` says."""
    needs: Literal[
        "activation",  # A (M, h, w, C)
        "gradient",  # A, and the score's gradient there
        "curvature",  # A, the gradient, and the Hessian times A
        "masked",  # A, and the scores (M, C) of the picture seen through each channel
        "ablated",  # A, and the losses (M, C) of the score without each channel
        "pixels",  # the gradient (M, H, W, 3) with respect to the picture, and picture less black
        "guided",  # that gradient, guided, and Grad-CAM's map (M, H, W)
    ] = "gradient"
    rivals: Callable[..., Any] | None = None
    """`rivals(scores, classes, *, xp)` → the classes whose mean is taken off a class's score."""
    channels: int | None = None
    """How many channels are tried, those that vary most over space; None: all."""
    points: GradientPoints = _PICTURE
    guided: bool = False
    """Whether every ReLU lets only positive gradients through."""

    @property
    def linear(self) -> bool:
        """Whether the map is linear in the score, so that maps may be subtracted."""
        return METHOD_INFO[self.name].linear

    @property
    def has_layer(self) -> bool:
        """Whether it looks into the network at a layer."""
        return METHOD_INFO[self.name].uses_layer

    @property
    def in_one_pass(self) -> bool:
        """Whether one pass over many pictures serves all of them."""
        return self.needs in {"activation", "gradient", "curvature"}


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
        Method("ablationcam", ablationcam, needs="ablated"),
        Method("scorecam", scorecam, needs="masked"),
        Method("faster-scorecam", scorecam, needs="masked", channels=FASTER_CHANNELS),
        Method(
            "smoothgrad",
            smoothgrad,
            needs="pixels",
            points=GradientPoints(
                lambda picture, black, xp: noisy(picture, xp=xp), (1 / SAMPLES,) * SAMPLES
            ),
        ),
        Method(
            "integrated-gradients",
            integrated_gradients,
            needs="pixels",
            points=GradientPoints(lambda picture, black, xp: on_the_way(picture, black), WEIGHTS),
        ),
        Method("guided-backprop", guided_backprop, needs="pixels", guided=True),
        Method("guided-gradcam", guided_gradcam, needs="guided", guided=True),
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
