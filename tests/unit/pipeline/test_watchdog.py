"""The watchdog's time limits; tests/faults covers a worker with a hung device."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.pipeline.watchdog import EXIT_DEVICE_HUNG, Watchdog, passes_of

WATCHED = """
import os, signal, subprocess, sys, threading
from seewhy_worker.pipeline.watchdog import Watchdog
watchdog = Watchdog(timeout_s={timeout_s}, tick_s=0.1)
watchdog.start()
with watchdog.watching(passes=1):
    print("watching", flush=True)
    {body}
watchdog.stop()
"""


def task(*targets: int, **options: Any) -> ExplanationTask:
    image = PreparedImage(np.zeros((1, 1, 3), np.float32), Rectangle(x=0, y=0, width=1, height=1))
    return ExplanationTask.create(image, targets, MethodOptions(**options))


def run(body: str, *, timeout_s: float = 2) -> subprocess.CompletedProcess[str]:
    program = WATCHED.format(body=body, timeout_s=timeout_s)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_call_within_its_time_limit_continues() -> None:
    watchdog = Watchdog(timeout_s=10)
    assert not watchdog.tick(1.0)
    with watchdog.watching(passes=1):
        assert [watchdog.tick(1.0) for _ in range(9)] == [False] * 9
    assert not watchdog.tick(1.0)


def test_a_call_that_exceeds_its_time_limit_is_detected_among_others() -> None:
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(passes=1):
        for _ in range(5):
            watchdog.tick(1.0)
        with watchdog.watching(passes=1):
            assert [watchdog.tick(1.0) for _ in range(5)] == [False] * 4 + [True]


def test_time_while_the_process_is_suspended_is_not_counted() -> None:
    """After a suspended machine, SIGSTOP or a paused container, the next tick comes hours late."""
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(passes=1):
        assert not watchdog.tick(7200.0)
        assert [watchdog.tick(1.0) for _ in range(8)] == [False] * 7 + [True]


@given(passes=st.floats(0, 1e6), timeout_s=st.floats(1, 1e4))
def test_the_time_limit_grows_with_the_passes_of_a_call(passes: float, timeout_s: float) -> None:
    watchdog = Watchdog(timeout_s=timeout_s, tick_s=timeout_s / 4)
    allowed_s = timeout_s * max(1, passes / 100)
    with watchdog.watching(passes=passes):
        (remaining_s,) = watchdog._remaining_s.values()
    assert remaining_s == pytest.approx(allowed_s)


@pytest.mark.parametrize(
    ("tasks", "passes"),
    [
        ([task(1)], 1),
        ([task(1, 2), task(3)], 2),
        ([task(1, method="scorecam")] * 8, 8 * 513),
        ([task(1), task(1, method="hirescam", fallback=("scorecam",))], 1 + 514),
        ([task(1, trust=True)], 1 + 16),
    ],
)
def test_the_passes_of_a_call_are_those_of_its_tasks(
    tasks: list[ExplanationTask], passes: float
) -> None:
    assert passes_of(tasks) == passes


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
