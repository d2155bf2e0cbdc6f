"""The watchdog's time limits; tests/faults covers a worker with a hung device."""

import subprocess
import sys

from seewhy_worker.checkpoints.checkpoint import no_checkpoint
from seewhy_worker.pipeline.watchdog import EXIT_DEVICE_HUNG, Watchdog

WATCHED = """
import os, signal, subprocess, sys, threading
from seewhy_worker.pipeline.watchdog import Watchdog
watchdog = Watchdog(timeout_s={timeout_s}, tick_s=0.1)
watchdog.start()
with watchdog.watching(lambda: None):
    print("watching", flush=True)
    {body}
watchdog.stop()
"""


def run(body: str, *, timeout_s: float = 2) -> subprocess.CompletedProcess[str]:
    program = WATCHED.format(body=body, timeout_s=timeout_s)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_call_within_its_time_limit_continues() -> None:
    watchdog = Watchdog(timeout_s=10)
    assert not watchdog.tick(1.0)
    with watchdog.watching(no_checkpoint):
        assert [watchdog.tick(1.0) for _ in range(9)] == [False] * 9
    assert not watchdog.tick(1.0)


def test_a_call_that_exceeds_its_time_limit_is_detected_among_others() -> None:
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(no_checkpoint):
        for _ in range(5):
            watchdog.tick(1.0)
        with watchdog.watching(no_checkpoint):
            assert [watchdog.tick(1.0) for _ in range(5)] == [False] * 4 + [True]


def test_time_while_the_process_is_suspended_is_not_counted() -> None:
    """After a suspended machine, SIGSTOP or a paused container, the next tick comes hours late."""
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(no_checkpoint):
        assert not watchdog.tick(7200.0)
        assert [watchdog.tick(1.0) for _ in range(8)] == [False] * 7 + [True]


def test_the_time_limit_starts_anew_at_each_checkpoint() -> None:
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(no_checkpoint) as checkpoint:
        for _ in range(3):
            assert [watchdog.tick(1.0) for _ in range(9)] == [False] * 9
            checkpoint()
        assert [watchdog.tick(1.0) for _ in range(10)] == [False] * 9 + [True]


def test_time_at_a_checkpoint_is_not_counted() -> None:
    """Others use the device meanwhile."""
    watchdog = Watchdog(timeout_s=10)
    ticks: list[bool] = []
    with watchdog.watching(lambda: ticks.extend(watchdog.tick(1.0) for _ in range(20))) as pause:
        pause()
    assert ticks == [False] * 20


def test_a_process_continues_after_a_call_within_its_time_limit() -> None:
    ended = run("pass")
    assert (ended.returncode, ended.stdout) == (0, "watching\n")


def test_a_hung_call_ends_the_process_with_a_distinct_status() -> None:
    ended = run("threading.Event().wait()")
    assert ended.returncode == EXIT_DEVICE_HUNG
    assert "in <module>" in ended.stderr, "the stack of the hung thread"
    assert ended.stderr.splitlines()[-1].startswith("The device is not responding")


def test_a_stopped_and_continued_process_does_not_look_hung() -> None:
    """The call takes seven seconds, three of them stopped; its limit is six."""
    ended = run(
        "waker = subprocess.Popen([sys.executable, '-c', "
        "f'import os, time, signal; time.sleep(3); os.kill({os.getpid()}, signal.SIGCONT)']);"
        " os.kill(os.getpid(), signal.SIGSTOP); waker.wait(); threading.Event().wait(4)",
        timeout_s=6,
    )
    assert ended.returncode == 0, ended.stderr
