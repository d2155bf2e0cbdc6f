"""Run the check of a model file in a child process that the operating system limits.

A file that the inspection lets through can still crash HDF5 or TensorFlow, or take longer or more
memory than it seems. Then only the child fails.
"""

import json
import signal
import subprocess
from pathlib import Path

from seewhy.embedded.commands import module_command
from seewhy.embedded.parent_guard import guarded
from seewhy.errors import UnsupportedModel
from seewhy_worker.model_check.request import CheckRequest

_CHILD_MODULE = "seewhy_worker.model_check.child"
_LIMIT_SIGNALS = {signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS}


def check_in_child(request: CheckRequest) -> list[str]:
    """Check a model file and return the lines of the report.

    The child uses no GPU and ends with this process. Call this from a thread that lives as long.
    Raises `UnsupportedModel` when the model cannot be explained or the child exceeds a limit.
    """
    command = guarded(module_command(_CHILD_MODULE, request.to_json()))
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            output, _ = process.communicate(timeout=request.timeout_s)
        except subprocess.TimeoutExpired:
            raise UnsupportedModel(
                f"the check of {request.path.name} took longer than {request.timeout_s:g} s: use a "
                "smaller network, or raise SEEWHY_MODEL_CHECK_TIMEOUT_S."
            ) from None
        finally:
            process.kill()
    return _read_answer(output, process.returncode, request)


def _read_answer(output: bytes, status: int, request: CheckRequest) -> list[str]:
    # TensorFlow and Keras may print before the answer.
    last_line = output.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        answer = json.loads(last_line)
        lines, error = answer["lines"], answer["error"]
    except (ValueError, KeyError, TypeError):
        raise UnsupportedModel(_died(status, request.path, request.memory_bytes)) from None
    if error is not None:
        raise UnsupportedModel(error)
    return [str(line) for line in lines]


def _died(status: int, path: Path, memory_bytes: int) -> str:
    cause = signal.Signals(-status).name if status < 0 else f"status {status}"
    if -status in _LIMIT_SIGNALS:
        return (
            f"the check of {path.name} was ended by {cause}: the file is damaged, or the network "
            f"needs more than {memory_bytes / 1e9:.1f} GB of memory (SEEWHY_MODEL_MEMORY_BYTES)."
        )
    return f"the check of {path.name} ended with {cause}: the file is damaged."
