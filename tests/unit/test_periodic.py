"""`PeriodicTask`: a thread that repeats its steps."""

import logging
import threading
import time

import pytest

from seewhy.errors import LedgerUnavailable
from seewhy.periodic import PeriodicTask
from servers.waiting import wait_until


def test_steps_run_in_order_and_repeat() -> None:
    calls: list[str] = []
    task = PeriodicTask(
        "task", lambda: calls.append("a"), lambda: calls.append("b"), interval_s=0.001
    )
    task.start()
    wait_until(lambda: len(calls) >= 4, what="two rounds have run", limit_s=10)
    task.stop()
    assert calls[:4] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("error", "level", "message"),
    [
        (
            LedgerUnavailable("Redis does not respond"),
            logging.WARNING,
            "Cannot sweep; retrying in 0.001 s: Redis does not respond",
        ),
        (ZeroDivisionError(), logging.ERROR, "Periodic step sweep failed"),
    ],
)
def test_an_error_is_logged_and_does_not_end_the_thread(
    caplog: pytest.LogCaptureFixture, error: Exception, level: int, message: str
) -> None:
    rounds: list[int] = []

    def sweep() -> None:
        rounds.append(1)
        raise error

    task = PeriodicTask("task", sweep, interval_s=0.001)
    task.start()
    wait_until(lambda: len(rounds) >= 2, what="the step has run again", limit_s=10)
    task.stop()
    assert caplog.record_tuples[0] == ("seewhy.periodic", level, message)


def test_a_stopped_task_interrupts_its_waits_and_skips_later_steps() -> None:
    entered = threading.Event()
    calls: list[str] = []

    def long_step() -> None:
        entered.set()
        assert task.wait(60)
        assert task.stopped

    task = PeriodicTask("task", long_step, lambda: calls.append("later"), interval_s=60)
    task.start()
    assert entered.wait(10)
    started_s = time.monotonic()
    task.stop()
    assert time.monotonic() - started_s < 5
    assert calls == []


def test_a_task_that_waits_first_runs_nothing_when_stopped_early() -> None:
    calls: list[str] = []
    task = PeriodicTask("task", lambda: calls.append("ran"), interval_s=60, wait_first=True)
    task.start()
    task.stop()
    assert calls == []


def test_a_task_that_was_never_started_can_be_stopped() -> None:
    assert PeriodicTask("task", interval_s=1).stop()
