"""Assert that a hostile model file is refused in one sentence, in little memory and time."""

import re
import resource
import sys
from pathlib import Path

import pytest

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.loading import load_file

MAX_ADDITIONAL_BYTES = 400_000_000
MAX_CPU_S = 30
_PROC = Path("/proc/self")


def assert_refused(
    path: Path, complaint: str, *, additional_bytes: int = MAX_ADDITIONAL_BYTES
) -> None:
    """Load a model file and require a refusal that matches `complaint`."""
    before_bytes = _peak_bytes(forget=True)
    before_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(UnsupportedModel, match=complaint) as refusal:
        load_file(path)
    assert _peak_bytes() - before_bytes < additional_bytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before_s < MAX_CPU_S
    message = str(refusal.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    assert "Traceback" not in message


def _peak_bytes(*, forget: bool = False) -> int:
    """Return the peak memory of this process; Linux can forget it first, see proc(5).

    Otherwise nothing below the peak of an earlier test would count.
    """
    if not (_PROC / "clear_refs").exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if forget:
        (_PROC / "clear_refs").write_text("5")
    (peak_kb,) = re.findall(r"^VmHWM:\s+(\d+) kB$", (_PROC / "status").read_text(), re.MULTILINE)
    return int(peak_kb) * 1024
