"""Keys of agreements, from which they are ranked without being read.

```
label-studio-agreements/<tenant digest>/<project digest>/<created_s>/
    <task>/<annotation>-<updated_ms>-<energy>-<job id>.json   of one state of an annotation
    deleted/<annotation>                                      that an annotation was deleted
    deleted-lists/<lowest>-<highest>-<sha256>.json            that those in a list were
```

A Label Studio that starts anew counts its projects from 1 again, so a project is known by its id
and by when it was created.

The energy inside the annotation is in ten thousandths; `none` stands for a map without evidence,
and `empty` for an annotation that marks nothing.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from seewhy.storage.keys import AGREEMENTS_FOLDER, tenant_digest

_NAME = re.compile(
    r"(?P<task>[0-9]+)/(?P<annotation>[0-9]+)-(?P<updated_ms>[0-9]+)-"
    r"(?P<energy>[0-9]{5}|none|empty)-(?P<job_id>[0-9a-f-]{36})\.json"
)
_LIST_NAME = re.compile(r"(?P<lowest>[0-9]+)-(?P<highest>[0-9]+)-[0-9a-f]{64}\.json")
_DELETED = "deleted"
_DELETED_LISTS = "deleted-lists"
_UNIT = 10_000
_PROJECT_DIGITS = 32

Unranked = Literal["none", "empty"]


@dataclass(frozen=True, slots=True)
class AgreementKey:
    """What the key of an agreement says."""

    task: int
    annotation: int
    updated_ms: int
    """When the annotation was changed, since 1970."""
    energy: float | Unranked
    """To four decimal places."""
    job_id: str

    @property
    def name(self) -> str:
        """The key in the folder of its project."""
        energy = self.energy
        text = energy if isinstance(energy, str) else f"{round(energy * _UNIT):05d}"
        return f"{self.task}/{self.annotation}-{self.updated_ms}-{text}-{self.job_id}.json"


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """A project of one installation of Label Studio."""

    id: int
    created_s: int
    """When it was created, since 1970."""

    def folder(self, *, tenant: str) -> str:
        """Return the folder, with `/`, of its agreements."""
        return f"{projects_folder(str(self.id), tenant=tenant)}{self.created_s}/"


def projects_folder(project_id: str, *, tenant: str) -> str:
    """Return the folder, with `/`, of the agreements of all projects that had this id."""
    digest = hashlib.sha256(project_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{AGREEMENTS_FOLDER}/{tenant_digest(tenant)}/{digest[:_PROJECT_DIGITS]}/"


def parse_created_s(name: str) -> int | None:
    """Return when the project of a key without its `projects_folder` was created.

    None for a key that has no such time.
    """
    created_s = name.partition("/")[0]
    return int(created_s) if created_s.isdecimal() else None


def parse_agreement_name(name: str) -> AgreementKey | None:
    """Parse a key without the folder of its project; None if it is not that of an agreement."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    text = match["energy"]
    return AgreementKey(
        task=int(match["task"]),
        annotation=int(match["annotation"]),
        updated_ms=int(match["updated_ms"]),
        energy=int(text) / _UNIT if text.isdigit() else "none" if text == "none" else "empty",
        job_id=match["job_id"],
    )


def deletion_name(annotation: int) -> str:
    """Return the key, without the folder of its project, that says an annotation was deleted."""
    return f"{_DELETED}/{annotation}"


def deletion_lists_folder(project_folder: str) -> str:
    """Return the folder, with `/`, of lists of annotations that were deleted."""
    return f"{project_folder}{_DELETED_LISTS}/"


def deletion_list_name(body: bytes, *, lowest: int, highest: int) -> str:
    """Return the name of a list in its folder."""
    return f"{lowest}-{highest}-{hashlib.sha256(body).hexdigest()}.json"


def may_list(name: str, annotation: int) -> bool:
    """Whether the list of this name may have an annotation."""
    match = _LIST_NAME.fullmatch(name)
    return match is not None and int(match["lowest"]) <= annotation <= int(match["highest"])
