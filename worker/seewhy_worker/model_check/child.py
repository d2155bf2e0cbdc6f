"""`python -m seewhy_worker.model_check.child REQUEST`: check a file within limits.

The last line of the output is the answer, as JSON. The child limits itself before it opens the
file: no core dumps, processor time, and memory. TensorFlow reserves much more address space than
it uses, so the limit is on data (`RLIMIT_DATA`), counted from what the imports take, those of the
operator's modules included. macOS does not enforce it.
"""

import json
import os
import resource
import sys
from collections.abc import Collection
from pathlib import Path

from seewhy.errors import OutOfMemory, SeewhyError
from seewhy_worker.model_check.request import CheckRequest
from seewhy_worker.models.inspection.model_file import read_definition

_STATUS_FILE = Path("/proc/self/status")


def main() -> None:
    """Print the answer to the request on the command line."""
    request = CheckRequest.from_json(sys.argv[1])
    cores = os.cpu_count() or 1
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, int(request.timeout_s * cores) + 1)
    lines: list[str] = []
    error = None
    try:
        registered = _import_modules(request)
        limit_data(request.memory_bytes)
        read_definition(request.path, memory_bytes=request.memory_bytes, registered=registered)
        _limit(resource.RLIMIT_DATA, resource.RLIM_INFINITY)  # for the import of TensorFlow
        lines = _check(request)
    except (MemoryError, OutOfMemory):
        error = (
            f"{request.path.name} needs more than the limit of {request.memory_bytes / 1e9:.1f} GB "
            "of memory: use a smaller network, or raise SEEWHY_MODEL_MEMORY_BYTES."
        )
    except SeewhyError as refusal:
        error = str(refusal)
    sys.stdout.write("\n" + json.dumps({"lines": lines, "error": error}) + "\n")


def _import_modules(request: CheckRequest) -> Collection[str]:
    """Return the names of the classes that the modules register with Keras."""
    if not request.modules:
        return ()
    # Imported late: it takes seconds, and most bad files are refused without TensorFlow.
    from seewhy_worker.models.registered_classes import import_modules  # noqa: PLC0415

    return import_modules(request.modules)


def _check(request: CheckRequest) -> list[str]:
    # Imported late, as above.
    from seewhy_worker.keras_backend.devices import hide_gpus  # noqa: PLC0415
    from seewhy_worker.model_check.report import check  # noqa: PLC0415

    hide_gpus()
    limit_data(request.memory_bytes)
    return check(
        request.path,
        layer=request.layer,
        output=request.output,
        outputs=request.outputs,
        modules=request.modules,
        size=request.size,
        memory_bytes=request.memory_bytes,
        shuffle=request.shuffle,
    )


def limit_data(additional_bytes: int) -> None:
    """Limit the data of this process to what it has now and `additional_bytes`. Linux only.

    A later call, after further imports, counts anew.
    """
    if _STATUS_FILE.exists():
        fields = dict(
            line.split(":", 1) for line in _STATUS_FILE.read_text().splitlines() if ":" in line
        )
        used_bytes = int(fields["VmData"].split()[0]) * 1024
        _limit(resource.RLIMIT_DATA, used_bytes + additional_bytes)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limits = [limit for limit in (value, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(limits, default=resource.RLIM_INFINITY), hard))


if __name__ == "__main__":
    main()
