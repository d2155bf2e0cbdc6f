"""Process state, as reported by the kernel, and the environment of processes of the tests."""

import os
from contextlib import suppress
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    with suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
    if Path("/proc/self/stat").exists():
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def environment_without_coverage() -> dict[str, str]:
    """Return the environment without the variables that measure coverage in child processes."""
    return {n: value for n, value in os.environ.items() if not n.startswith("COVERAGE_")}
