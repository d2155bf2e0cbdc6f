"""Run a command that exits when its parent process does.

    python -m seewhy.embedded.parent_guard PARENT_PID -- COMMAND [ARGUMENT…]

An orphaned server keeps its port, its memory and its data directory, so every child of
`seewhy up` starts through this module. On Linux the kernel kills the command when the *thread*
that forked it ends (PR_SET_PDEATHSIG in prctl(2)): start guarded commands from a thread that
lives long enough. On other systems this process stays, watches its parent, and kills the
command when the parent is gone.

Standard library only: this module runs at every start of a child.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_POLL_INTERVAL_S = 0.2
_PARENT_GONE = 128 + signal.SIGKILL


def guarded(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` until the calling process exits."""
    return [
        sys.executable,
        "-P",
        "-m",
        "seewhy.embedded.parent_guard",
        str(os.getpid()),
        "--",
        *command,
    ]


def exec_guarded(command: Sequence[str], *, parent_pid: int) -> int:
    """Replace this process by `command`; the kernel kills it with its parent. Linux only."""
    import ctypes  # noqa: PLC0415  (needed only here, and missing from some builds of Python)

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() == parent_pid:  # otherwise the parent died before prctl took effect
        os.execvp(command[0], list(command))  # noqa: S606  (no shell on purpose)
    return _PARENT_GONE


def watch(command: Sequence[str], *, parent_pid: int) -> int:
    """Run `command` as a child and return its status; kill it when the parent is gone."""
    child = subprocess.Popen(list(command))  # noqa: S603

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)
    while True:
        try:
            status = child.wait(timeout=_POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent_pid:
                child.kill()
        else:
            return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    """Parse `PARENT_PID -- COMMAND…`, run the command and return the exit status."""
    if len(arguments) < 3 or not arguments[0].isdecimal() or arguments[1] != "--":
        sys.stderr.write("usage: python -m seewhy.embedded.parent_guard PARENT_PID -- COMMAND…\n")
        return 2
    run = exec_guarded if sys.platform == "linux" else watch
    try:
        return run(arguments[2:], parent_pid=int(arguments[0]))
    except FileNotFoundError:
        sys.stderr.write(f"{arguments[2]}: command not found\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
