"""Name the license of each dependency, as an SPDX expression.

`python -m supply_chain.licenses` prints a table. Most packages state an expression or a common
name in their metadata. The tables in this module cover the rest; each entry was read from the
license file of the package.
"""

import sys
from dataclasses import dataclass
from importlib import metadata

from license_expression import ExpressionError, get_spdx_licensing
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply_chain.locks import DEPLOYED, Pin, lock_path, read_lock

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-CMU",
        "MPL-2.0",  # applies to changed files of the package itself, and seewhy changes none
        "PSF-2.0",
        "ZPL-2.1",
        "Zlib",
    }
)
"""Licenses that a dependency at run time may have: all of them suit a service under Apache-2.0."""

_SPDX_BY_TEXT = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD 3-Clause": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "ZPL 2.1": "ZPL-2.1",
}
_SPDX_BY_CLASSIFIER = {"License :: OSI Approved :: MIT License": "MIT"}
_SPDX_BY_PACKAGE = {
    "amqp": "BSD-3-Clause",
    "astunparse": "BSD-3-Clause AND PSF-2.0",
    "billiard": "BSD-3-Clause",
    "click-plugins": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "namex": "Apache-2.0",
    "openvino-telemetry": "Apache-2.0",
    "prompt-toolkit": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "vine": "BSD-3-Clause",
}
# Locked for other platforms and versions of Python, so their metadata is not at hand.
_SPDX_OF_OTHER_PLATFORMS = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "tensorflow": "Apache-2.0",
    "tensorflow-cpu": "Apache-2.0",
    "tzdata": "Apache-2.0",
}
_NVIDIA = "LicenseRef-NVIDIA-Proprietary"
_SPDX = get_spdx_licensing()


@dataclass(frozen=True, slots=True)
class License:
    """A package and its license."""

    package: str
    version: str
    expression: str
    """An SPDX expression, or `unknown`."""

    @property
    def is_allowed(self) -> bool:
        """Whether every license of the expression is in `ALLOWED`."""
        try:
            keys = set(_SPDX.license_keys(_SPDX.parse(self.expression, validate=True)))
        except ExpressionError:
            return False
        return bool(keys) and keys <= ALLOWED


def runtime_licenses() -> list[License]:
    """Return the licenses of everything that the extras api, worker and embedded install."""
    versions = {pin.name: pin.version for name in ("api", "worker") for pin in _pins(name)}
    for name in _installed_dependencies("seewhy", frozenset({"embedded"})):
        versions[name] = metadata.version(name)
    return [License(name, versions[name], expression_of(name)) for name in sorted(versions)]


def expression_of(package: str) -> str:
    """Return the SPDX expression of a package, or `unknown`."""
    if package.startswith("nvidia-"):
        return _NVIDIA
    try:
        found = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return _SPDX_OF_OTHER_PLATFORMS.get(package, "unknown")
    if "License-Expression" in found:
        return found["License-Expression"]
    if package in _SPDX_BY_PACKAGE:
        return _SPDX_BY_PACKAGE[package]
    text = "".join(found.get_all("License") or ()).strip().partition("\n")[0]
    if text in _SPDX_BY_TEXT or text in ALLOWED:
        return _SPDX_BY_TEXT.get(text, text)
    classifiers = [_SPDX_BY_CLASSIFIER.get(name) for name in found.get_all("Classifier") or ()]
    return next(filter(None, classifiers), "unknown")


def table() -> list[str]:
    """Return the lines of a Markdown table of every locked runtime dependency."""
    licenses = {each.package: each for each in runtime_licenses()}
    for pin in (pin for name in DEPLOYED for pin in _pins(name)):
        licenses.setdefault(pin.name, License(pin.name, pin.version, expression_of(pin.name)))
    rows = (
        f"| {each.package} | {each.version} | {each.expression} |"
        for _, each in sorted(licenses.items())
    )
    return ["| package | version | license |", "|---|---|---|", *rows]


def _pins(name: str) -> list[Pin]:
    return read_lock(lock_path(name))


def _installed_dependencies(package: str, extras: frozenset[str]) -> set[str]:
    """Return the names of what the extras of an installed package need on this platform."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [(package, extras)]
    while pending:
        name, wanted = pending.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in wanted | {""}):
                needed = canonicalize_name(requirement.name)
                pending.append((needed, frozenset(requirement.extras)))
                found.add(needed)
    return found - {package}


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
