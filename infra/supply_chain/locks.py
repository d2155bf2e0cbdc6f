"""Read the lock files in requirements/."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEPLOYED = ("api", "worker", "worker-gpu")
"""Locks of what an installation runs."""
ALL = (*DEPLOYED, "dev", "helm", "label-studio", "references", "tools")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked version of a package."""

    name: str
    version: str
    marker: str | None
    """The environment that the pin applies to; None means every environment."""
    hashes: tuple[str, ...]
    """The SHA-256 of every distribution that may be installed."""


def lock_path(name: str) -> Path:
    """Return the path of a lock."""
    return ROOT / "requirements" / f"{name}.txt"


def read_lock(path: Path) -> list[Pin]:
    """Return the pins of a lock. Raises `ValueError` for a requirement that is not pinned."""
    pins = []
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        specification, *_ = line.split("--hash=")
        requirement = Requirement(specification.strip())
        pinned = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if pinned is None:
            raise ValueError(f"{path.name} does not pin {requirement}")
        pins.append(
            Pin(
                name=canonicalize_name(requirement.name),
                version=pinned[1],
                marker=None if requirement.marker is None else str(requirement.marker),
                hashes=tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line)),
            )
        )
    return pins
