"""Tasks that run in threads and whose outcomes are taken in order."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from seewhy.cli.terminal.concurrency import run_in_order

AT_ONCE = 8


def test_outcomes_come_in_order_and_at_most_eight_wait() -> None:
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    ended = []
    for position, (key, future) in enumerate(
        run_in_order((n, partial(work, n)) for n in range(40))
    ):
        assert key == position
        assert len(started) <= position + AT_ONCE
        ended.append(str(future.exception() or future.result()))
    assert ended == [str(n) if n != 3 else "three" for n in range(40)]


def test_eight_tasks_run_at_once() -> None:
    meet = threading.Barrier(AT_ONCE, timeout=60).wait
    assert (
        len([future.result() for _, future in run_in_order([(n, meet) for n in range(16)])]) == 16
    )


def test_nothing_is_started_after_the_tasks_have_failed() -> None:
    started: list[int] = []

    def tasks() -> Iterator[tuple[int, Callable[[], None]]]:
        for number in range(3):
            yield number, partial(started.append, number)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(run_in_order(tasks()))
    assert set(started) <= {0, 1, 2}
