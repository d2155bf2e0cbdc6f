"""Start workers that have one fault, and count how often it struck."""

import subprocess

from servers import faulty_worker
from servers.house import House


def start_faulty_worker(building: House, fault: str) -> subprocess.Popen[bytes]:
    """Start a worker with a fault of `servers.faulty_worker`."""
    marks = building.directory / "marks"
    marks.mkdir(exist_ok=True)
    return building._start("worker", [faulty_worker.__file__, fault, str(marks)])


def strikes(building: House) -> int:
    """How often the fault of this house's workers has struck."""
    marks = building.directory / "marks"
    return len(list(marks.iterdir())) if marks.exists() else 0
