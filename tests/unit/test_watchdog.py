"""What the watchdog allows a call; that it ends a process is in tests/faults."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.job import MethodOptions
from seewhy_worker.pipeline.watchdog import HUNG, Watchdog, passes_of

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


def run(body: str, *, timeout_s: float = 2) -> subprocess.CompletedProcess[str]:
    program = WATCHED.format(body=body, timeout_s=timeout_s)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_call_within_its_time_is_left_alone() -> None:
    watchdog = Watchdog(timeout_s=10)
    assert not watchdog.tick(1.0)
    with watchdog.watching(passes=1):
        assert [watchdog.tick(1.0) for _ in range(9)] == [False] * 9
    assert not watchdog.tick(1.0)


def test_a_call_that_outlasts_its_time_is_noticed_among_others() -> None:
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(passes=1):
        for _ in range(5):
            watchdog.tick(1.0)
        with watchdog.watching(passes=1):
            assert [watchdog.tick(1.0) for _ in range(5)] == [False] * 4 + [True]


def test_time_in_which_the_process_stood_still_is_not_counted() -> None:
    """A suspended machine, SIGSTOP, a paused container: the next tick comes hours late."""
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watching(passes=1):
        assert not watchdog.tick(7200.0)
        assert [watchdog.tick(1.0) for _ in range(8)] == [False] * 7 + [True]


@given(passes=st.floats(0, 1e6), timeout_s=st.floats(1, 1e4))
def test_no_call_has_less_than_the_time_limit_nor_less_than_its_passes_need(
    passes: float, timeout_s: float
) -> None:
    watchdog = Watchdog(timeout_s=timeout_s, tick_s=timeout_s / 4)
    allowed_s = timeout_s * max(1, passes / 100)
    with watchdog.watching(passes=passes):
        (left_s,) = watchdog._left_s.values()
    assert left_s == pytest.approx(allowed_s)


@pytest.mark.parametrize(
    ("targets", "recipes", "passes"),
    [
        ([(1,)], [MethodOptions()], 1),
        ([(1, 2)], [MethodOptions()], 2),
        ([(1,)] * 8, [MethodOptions(method="scorecam")] * 8, 8 * 513),
        (
            [(1,), (1,)],
            [MethodOptions(), MethodOptions(method="hirescam", fallback=("scorecam",))],
            1 + 514,
        ),
        ([(1,)], [MethodOptions(trust=True)], 1 + 16),
        ([(1,)], [MethodOptions(method="unheard-of")], 1),
    ],
)
def test_a_call_costs_what_its_methods_say(
    targets: list[tuple[int, ...]], recipes: list[MethodOptions], passes: float
) -> None:
    assert passes_of(targets, recipes) == passes


def test_a_call_that_ends_in_time_leaves_the_process_and_no_timer() -> None:
    ended = run("pass")
    assert (ended.returncode, ended.stdout) == (0, "watching\n")


def test_a_call_that_waits_for_ever_ends_the_process_with_a_status_of_its_own() -> None:
    ended = run("threading.Event().wait()")
    assert ended.returncode == HUNG
    assert "in <module>" in ended.stderr, "the stack of the hung thread"
    assert ended.stderr.splitlines()[-1].startswith("the device does not answer")


def test_a_process_that_was_stopped_is_not_taken_for_hung() -> None:
    """Seven seconds by the clock, three of them stopped, where a call may last six."""
    ended = run(
        "helper = subprocess.Popen([sys.executable, '-c', "
        "f'import os, time, signal; time.sleep(3); os.kill({os.getpid()}, signal.SIGCONT)']);"
        " os.kill(os.getpid(), signal.SIGSTOP); helper.wait(); threading.Event().wait(4)",
        timeout_s=6,
    )
    assert ended.returncode == 0, ended.stderr
