"""The supervisor and the parent guard with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seewhy.embedded.child import Child
from seewhy.embedded.errors import StartFailed
from seewhy.embedded.supervisor import Backoff, Supervisor
from servers.processes import alive
from servers.waiting import wait_until

SLEEP = "import time; time.sleep(600)"
IGNORE_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ignoring', flush=True); time.sleep(600)"
)


class Report:
    """The lines that a supervisor reports."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")


@pytest.fixture
def report() -> Report:
    return Report()


@pytest.fixture
def supervisor(report: Report) -> Iterator[Supervisor]:
    supervisor = Supervisor(report=report, backoff=Backoff(initial_s=0.05, max_s=0.1))
    yield supervisor
    supervisor.stop()


def python(
    name: str, program: str, tmp_path: Path, *, grace_s: float = 5.0, group: str = ""
) -> Child:
    return Child(
        name=name,
        group=group,
        command=(sys.executable, "-c", program),
        log_file=tmp_path / f"{name}.log",
        grace_s=grace_s,
    )


def replaced(supervisor: Supervisor, name: str, *, other_than: int) -> bool:
    supervisor.poll()
    return supervisor.pid(name) not in {None, other_than}


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = supervisor.pid(name)
    assert pid is not None
    return pid


def test_a_killed_child_is_restarted_and_reported(
    supervisor: Supervisor, report: Report, tmp_path: Path
) -> None:
    child = python("worker", f"print('loading', flush=True); {SLEEP}", tmp_path)
    supervisor.start(child)
    wait_until(lambda: b"loading" in child.log_file.read_bytes(), what="the child's line")
    first = pid_of(supervisor, "worker")

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: replaced(supervisor, "worker", other_than=first), what="a new worker")

    second = pid_of(supervisor, "worker")
    assert alive(second)
    assert report.lines == [
        f"worker: started (process {first})",
        "worker: was killed by SIGKILL: loading; restarting in 0.05 s",
        f"worker: restarted (process {second})",
    ]


def test_a_child_that_never_starts_is_an_error_that_quotes_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(python("api", "raise SystemExit('no such model: vgg17')", tmp_path))

    def three_failures() -> bool:
        supervisor.poll()
        supervisor.raise_if_crash_looping(3)
        return False

    with pytest.raises(StartFailed, match=r"the api does not start(.|\n)*no such model: vgg17"):
        wait_until(three_failures, what="three failures")


def test_children_are_stopped_in_reverse_order(
    supervisor: Supervisor, report: Report, tmp_path: Path
) -> None:
    for name in ("valkey", "worker", "api"):
        supervisor.start(python(name, SLEEP, tmp_path))
    pids = [pid_of(supervisor, name) for name in ("valkey", "worker", "api")]

    supervisor.stop()

    assert [line.split(":")[0] for line in report.lines[3:]] == ["api", "worker", "valkey"]
    assert not any(alive(pid) for pid in pids)


def test_the_children_of_a_group_stop_at_the_same_time(
    supervisor: Supervisor, report: Report, tmp_path: Path
) -> None:
    """Each waits for the other: one by one, the first would be killed."""
    ends = "signal.signal(signal.SIGTERM, lambda *_: (tmp / sys.argv[1]).touch())"
    waits = "while not all((tmp / name).exists() for name in '12'): time.sleep(0.01)"
    program = (
        f"import pathlib, signal, sys, time; tmp = pathlib.Path({str(tmp_path)!r}); {ends}\n"
        f"print('ready', flush=True)\n{waits}"
    )
    supervisor.start(python("api", SLEEP, tmp_path))
    for number in "12":
        child = python(f"worker-{number}", program, tmp_path, grace_s=60, group="worker")
        supervisor.start(replace(child, command=(*child.command, number)))
        log = child.log_file
        wait_until(lambda log=log: b"ready" in log.read_bytes(), what="the handler")  # type: ignore[misc]

    supervisor.stop()

    assert report.lines[3:] == [
        "worker-2: stopped (exited with status 0)",
        "worker-1: stopped (exited with status 0)",
        "api: stopped (was killed by SIGTERM)",
    ]


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace_period(
    supervisor: Supervisor, report: Report, tmp_path: Path
) -> None:
    child = python("worker", IGNORE_SIGTERM, tmp_path, grace_s=0.1)
    supervisor.start(child)
    wait_until(
        lambda: b"ignoring" in child.log_file.read_bytes(), what="the child to ignore SIGTERM"
    )

    supervisor.stop()

    assert report.lines[-1] == "worker: stopped (was killed by SIGKILL)"


def test_processes_that_a_child_forked_are_killed_before_its_restart(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    forking = f"import os, time; print(os.fork(), flush=True); {SLEEP}"
    child = python("api", forking, tmp_path)
    supervisor.start(child)
    wait_until(lambda: child.log_file.read_text().count("\n") == 2, what="the fork")
    grandchild = max(int(line) for line in child.log_file.read_text().split())
    first = pid_of(supervisor, "api")

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: replaced(supervisor, "api", other_than=first), what="a new api")

    assert not alive(grandchild)


def test_children_get_additions_and_not_variables_with_the_dropped_prefix(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEWHY_API_PORT", "81")
    monkeypatch.setenv("OTHER", "kept")
    shown = "import os; print({k: v for k, v in os.environ.items() if k in NAMES}, flush=True);"
    names = "NAMES = {'SEEWHY_API_PORT', 'SEEWHY_API_HOST', 'OTHER'}\n"
    child = Child(
        name="api",
        command=(sys.executable, "-c", names + shown + SLEEP),
        log_file=tmp_path / "api.log",
        environment={"SEEWHY_API_HOST": "::1"},
        dropped_prefix="SEEWHY_",
    )

    supervisor.start(child)
    wait_until(lambda: child.log_file.read_text().endswith("\n"), what="the child's line")

    assert "SEEWHY_API_PORT" not in child.log_file.read_text()
    assert "'SEEWHY_API_HOST': '::1'" in child.log_file.read_text()
    assert "'OTHER': 'kept'" in child.log_file.read_text()


PARENT = """
import subprocess, sys, time
from seewhy.embedded import parent_guard as guard
command = [sys.executable, "-c", "import time; time.sleep(600)"]
wrapped = {wrapped}
print(subprocess.Popen(wrapped).pid, flush=True)
time.sleep(600)
"""
WATCHED = (
    "[sys.executable, '-c', 'import sys; from seewhy.embedded import parent_guard;"
    " sys.exit(parent_guard.watch(sys.argv[2:], parent_pid=int(sys.argv[1])))',"
    " str(__import__('os').getpid()), *command]"
)


@pytest.mark.parametrize("wrapped", ["guard.guarded(command)", WATCHED], ids=["guarded", "watched"])
def test_a_guarded_command_is_killed_with_its_parent(wrapped: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(wrapped=wrapped)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not alive(child), what="the end of the guarded command")


def test_a_guarded_command_does_not_start_without_its_parent() -> None:
    other_process = 1
    guard = subprocess.run(
        [
            sys.executable,
            "-m",
            "seewhy.embedded.parent_guard",
            str(other_process),
            "--",
            "echo",
            "started",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (guard.stdout, guard.returncode) == ("", 137)


def test_a_watched_command_passes_its_status_on() -> None:
    watching = (
        "import os, sys; from seewhy.embedded import parent_guard;"
        "sys.exit(parent_guard.watch([sys.executable, '-c', 'raise SystemExit(7)'],"
        " parent_pid=os.getppid()))"
    )

    assert subprocess.run([sys.executable, "-c", watching], check=False).returncode == 7
