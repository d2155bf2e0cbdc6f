"""The methods by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seewhy.errors import UnknownMethod
from seewhy_worker.cam.gradcam import gradcam


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make maps from activations and gradients, both (M, h, w, C)."""

    name: str
    maps: Callable[..., Any]
    """`maps(activation, gradient, *, xp)` → (M, h, w), signed."""
    linear: bool
    """Whether the map is linear in the score, so that maps may be subtracted."""


_METHODS = {"gradcam": Method("gradcam", gradcam, linear=True)}


def find_method(name: str) -> Method:
    """Look a method up; raises `UnknownMethod`, which lists what there is."""
    try:
        return _METHODS[name]
    except KeyError:
        known = ", ".join(_METHODS)
        raise UnknownMethod(f"there is no method {name!r}; there are: {known}") from None
