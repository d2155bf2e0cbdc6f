"""Explanation methods that other installed packages add.

A package names each method in the entry point group `seewhy.methods`. Nothing is read before the
first use, and the API, which has no tensor library, reads it, too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Literal

from seewhy.errors import SettingsError
from seewhy.schemas.methods import CLASSIC, METHOD_INFO, MethodInfo

GROUP = "seewhy.methods"

_SINGLE_PASS = {"activation", "gradient", "curvature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledMethod:
    """A method that a package adds: what an entry point of the group `seewhy.methods` names."""

    formula: Callable[..., Any]
    """`formula(A, …, *, xp)` → signed maps (M, h, w), from the arrays that `needs` names.

    A is the activation (M, h, w, C) of the layer, one row for each target of each image, in
    float32. `xp` is a module with the functions of `keras.ops`.
    """
    needs: Literal["activation", "gradient", "curvature", "masked", "ablated"] = "gradient"
    """What the formula takes after A.

    `activation`: nothing. `gradient`: the gradient (M, h, w, C) of the score with respect to A.
    `curvature`: that, and the Hessian times A, (M, h, w, C). `masked`: the scores (M, C) of the
    image, masked with each channel. `ablated`: how much the score drops without each channel,
    (M, C).
    """
    forward_passes: float
    """The approximate cost of one image with one target, in forward passes of VGG16."""
    linear: bool = False
    """Whether the difference of two maps explains the difference of their scores."""
    reference: str
    """Where the formula is described: an arXiv id, a DOI or a URL."""
    package: str = ""
    """The name of the package, filled in when its entry point is read."""
    version: str = ""
    """The version of the package, likewise."""

    @property
    def info(self) -> MethodInfo:
        """The properties by which a client chooses the method."""
        return MethodInfo(
            self.reference,
            linear=self.linear,
            forward_passes=self.forward_passes,
            class_specific=self.needs != "activation",
            fusable=self.needs in _SINGLE_PASS,
        )


@cache
def installed_methods() -> Mapping[str, InstalledMethod]:
    """Return the methods of installed packages by name.

    Raises `SettingsError`, which names the package, for one that cannot be used.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    methods: dict[str, InstalledMethod] = {}
    for entry in found:
        if entry.name in methods or entry.name in METHOD_INFO:
            raise _mistake(entry, "there is a method of that name already; choose another name")
        methods[entry.name] = _load(entry)
    return MappingProxyType(methods)


@cache
def known_methods() -> Mapping[str, MethodInfo]:
    """Return the properties of every method, `classic` included. Raises `SettingsError`."""
    installed = {name: method.info for name, method in installed_methods().items()}
    return MappingProxyType({**METHOD_INFO, **installed})


def method_names() -> tuple[str, ...]:
    """Return the methods that a request may name. Raises `SettingsError`."""
    return tuple(name for name in known_methods() if name != CLASSIC)


def package_versions(methods: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that add any of these methods, by package."""
    installed = installed_methods()
    used = (installed[name] for name in methods if name in installed)
    return {method.package: method.version for method in used}


def _load(entry: EntryPoint) -> InstalledMethod:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]{0,39}", entry.name):
        raise _mistake(
            entry,
            "a name has at most 40 lower-case letters, digits and hyphens, a letter or digit first",
        )
    try:
        method = entry.load()
    except Exception as error:
        raise _mistake(entry, f"its import failed: {type(error).__name__}: {error}") from error
    if not isinstance(method, InstalledMethod) or not method.forward_passes > 0:
        raise _mistake(
            entry,
            f"{entry.value} is no `InstalledMethod` with positive `forward_passes`; correct it",
        )
    version = entry.dist.version if entry.dist else ""
    return replace(method, package=_package(entry), version=version)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unknown package"


def _mistake(entry: EntryPoint, mistake: str) -> SettingsError:
    return SettingsError(
        f"the method {entry.name} of {_package(entry)} (entry points {GROUP}) cannot be used: "
        f"{mistake}"
    )
