"""Run a command that does not outlive the process that asked for it.

    python -m seewhy.embedded.parent_guard PARENT_PID -- COMMAND [ARGUMENT…]

An orphaned server keeps its port, its memory and its data directory, so every child of
`seewhy up` is started through this module. On Linux the kernel kills the command when the
*thread* that forked it ends, however it ends: start guarded commands from a thread that lives
as long as they should (PR_SET_PDEATHSIG in prctl(2)). Elsewhere this process stays, watches
its parent, and kills the command when the parent has gone.

Standard library only, and imported by nothing that is not needed: it is started often.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_WATCH_INTERVAL_S = 0.2
_PARENT_GONE = 128 + signal.SIGKILL


def guarded(command: Sequence[str]) -> list[str]:
    """Return `command` wrapped so that it ends with the calling thread's process."""
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
    """Replace this process by `command`, which the kernel kills with its parent. Linux only."""
    import ctypes  # noqa: PLC0415  (not needed, and not everywhere present, off Linux)

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() == parent_pid:  # else it died before the line above took hold
        os.execvp(command[0], list(command))  # noqa: S606  (no shell is the point)
    return _PARENT_GONE


def watch(command: Sequence[str], *, parent_pid: int) -> int:
    """Run `command` as a child and return its status; kill it when the parent has gone."""
    child = subprocess.Popen(list(command))  # noqa: S603

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    while True:
        try:
            status = child.wait(timeout=_WATCH_INTERVAL_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent_pid:
                child.kill()
        else:
            return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    """Parse `PARENT_PID -- COMMAND…` and run it; return the status to exit with."""
    if len(arguments) < 3 or not arguments[0].isdecimal() or arguments[1] != "--":
        sys.stderr.write("usage: python -m seewhy.embedded.parent_guard PARENT_PID -- COMMAND…\n")
        return 2
    run = exec_guarded if sys.platform == "linux" else watch
    try:
        return run(arguments[2:], parent_pid=int(arguments[0]))
    except FileNotFoundError:
        sys.stderr.write(f"{arguments[2]}: no such command\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
