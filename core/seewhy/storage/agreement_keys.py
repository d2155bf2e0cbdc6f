"""Keys of agreements, from which they are ranked without being read.

```
label-studio-agreements/<tenant digest>/<project digest>/
    <task>/<annotation>-<updated_ms>-<energy>-<job id>.json   of one state of an annotation
    deleted/<annotation>                                      that an annotation was deleted
```

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
_DELETED = "deleted"
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


def project_folder(project: str, *, tenant: str) -> str:
    """Return the folder, with `/`, of the agreements of a project."""
    digest = hashlib.sha256(project.encode("utf-8", "surrogatepass")).hexdigest()[:_PROJECT_DIGITS]
    return f"{AGREEMENTS_FOLDER}/{tenant_digest(tenant)}/{digest}/"


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
