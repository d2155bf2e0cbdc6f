"""The explanation methods by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from seewhy.errors import UnknownMethod
from seewhy.schemas.installed_methods import installed_methods, known_methods
from seewhy_worker.cam.installed_formula import checked_formula
from seewhy_worker.cam.layer.classic import classic
from seewhy_worker.cam.layer.eigencam import eigencam
from seewhy_worker.cam.layer.eigengradcam import eigengradcam
from seewhy_worker.cam.layer.finercam import nearest_rivals
from seewhy_worker.cam.layer.gradcam import gradcam
from seewhy_worker.cam.layer.gradcam_plus_plus import gradcam_plus_plus
from seewhy_worker.cam.layer.hirescam import hirescam
from seewhy_worker.cam.layer.layercam import layercam
from seewhy_worker.cam.layer.shapleycam import shapleycam
from seewhy_worker.cam.layer.xgradcam import xgradcam
from seewhy_worker.cam.perturbation.ablationcam import ablationcam
from seewhy_worker.cam.perturbation.scorecam import FASTER_CHANNELS, scorecam
from seewhy_worker.cam.pixel.guided import guided_backprop, guided_gradcam
from seewhy_worker.cam.pixel.integrated_gradients import WEIGHTS, integrated_gradients, path_images
from seewhy_worker.cam.pixel.smoothgrad import SAMPLES, noisy_copies, smoothgrad


@dataclass(frozen=True, slots=True)
class GradientPoints:
    """The images at which a pixel method takes gradients, and the weight of each."""

    images: Callable[..., Any]
    """`images(image, black, *, xp)` → (n, H, W, 3), from two network inputs (H, W, 3)."""
    weights: tuple[float, ...]
    """n weights that sum to 1."""


_IMAGE_ONLY = GradientPoints(lambda image, black, xp: image[None], (1.0,))


@dataclass(frozen=True, slots=True)
class Method:
    """An explanation method. Its arrays have M rows, one per target of each image."""

    name: str
    formula: Callable[..., Any]
    """`formula(…, *, xp)` → signed maps (M, h, w), from the arrays that `needs` names."""
    needs: Literal[
        "activation",  # A (M, h, w, C)
        "gradient",  # A and the gradient of the score with respect to A
        "curvature",  # A, the gradient, and the Hessian times A
        "masked",  # A and the scores (M, C) of the image masked with each channel
        "ablated",  # A and the drops (M, C) of the score without each channel
        "pixels",  # the gradient (M, H, W, 3) with respect to the image, and image minus black
        "guided",  # the guided gradient and the Grad-CAM map (M, H, W)
    ] = "gradient"
    choose_rivals: Callable[..., Any] | None = None
    """`choose_rivals(scores, classes, *, xp)` → the classes to contrast each class with."""
    max_channels: int | None = None
    """Channels to perturb, those with the largest variance over space; None for all."""
    gradient_points: GradientPoints = _IMAGE_ONLY
    guided: bool = False
    """Whether every ReLU passes only positive gradients."""

    @property
    def linear(self) -> bool:
        """Whether the map is linear in the score, so that maps can be subtracted."""
        return known_methods()[self.name].linear

    @property
    def has_layer(self) -> bool:
        """Whether the method explains a layer that the client can choose."""
        return known_methods()[self.name].uses_layer

    @property
    def single_pass(self) -> bool:
        """Whether one pass explains a whole batch, rather than one image."""
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
        Method("finercam", gradcam, choose_rivals=nearest_rivals),
        Method("ablationcam", ablationcam, needs="ablated"),
        Method("scorecam", scorecam, needs="masked"),
        Method("faster-scorecam", scorecam, needs="masked", max_channels=FASTER_CHANNELS),
        Method(
            "smoothgrad",
            smoothgrad,
            needs="pixels",
            gradient_points=GradientPoints(
                lambda image, black, xp: noisy_copies(image, xp=xp), (1 / SAMPLES,) * SAMPLES
            ),
        ),
        Method(
            "integrated-gradients",
            integrated_gradients,
            needs="pixels",
            gradient_points=GradientPoints(
                lambda image, black, xp: path_images(image, black), WEIGHTS
            ),
        ),
        Method("guided-backprop", guided_backprop, needs="pixels", guided=True),
        Method("guided-gradcam", guided_gradcam, needs="guided", guided=True),
        Method("classic", classic),
    )
}


def find_method(name: str) -> Method:
    """Return the method with this name, also one of an installed package.

    Raises `UnknownMethod`, which lists all names, and `SettingsError`.
    """
    if method := _METHODS.get(name):
        return method
    if installed := installed_methods().get(name):
        return Method(name, checked_formula(name, installed.formula), needs=installed.needs)
    known = ", ".join((*_METHODS, *installed_methods()))
    raise UnknownMethod(f"unknown method {name!r}; choose one of: {known}")
