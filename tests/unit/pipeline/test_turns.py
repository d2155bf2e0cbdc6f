"""Threads that take turns."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from seewhy_worker.checkpoints.checkpoint import Interrupted, no_checkpoint
from seewhy_worker.pipeline.turns import Turns
from servers.waiting import wait_until


def waiting(turns: Turns) -> int:
    return len(turns._queue) - 1


def await_waiting(turns: Turns, count: int) -> None:
    wait_until(lambda: waiting(turns) == count, what=f"{count} threads wait")


def interrupt() -> None:
    raise Interrupted


def test_a_turn_that_is_handed_over_comes_back_after_those_that_waited() -> None:
    turns, order = Turns(), list[str]()

    def run(name: str, hand_overs: int) -> None:
        with turns.take(no_checkpoint) as hand_over:
            order.append(name)
            for _ in range(hand_overs):
                hand_over()
                order.append(name)

    with ThreadPoolExecutor() as threads, turns.take(no_checkpoint):
        for place, (name, hand_overs) in enumerate([("long", 3), ("a", 0), ("other", 2), ("b", 0)]):
            threads.submit(run, name, hand_overs)
            await_waiting(turns, place + 1)
    assert order == ["long", "a", "other", "b", "long", "other", "long", "other", "long"]


def test_handing_over_returns_at_once_when_nobody_waits() -> None:
    turns = Turns()
    with turns.take(interrupt) as hand_over:
        hand_over()


@pytest.mark.parametrize("first_turn", [True, False], ids=["at first", "after handing over"])
def test_a_thread_that_is_interrupted_while_it_waits_leaves_the_queue(first_turn: bool) -> None:
    turns = Turns()
    may_wait = threading.Event()

    def interrupt_later() -> None:
        if may_wait.is_set():
            raise Interrupted

    def take() -> None:
        with turns.take(interrupt_later) as hand_over:
            while True:
                hand_over()

    def hold(until: Callable[[], object]) -> None:
        with turns.take(no_checkpoint):
            until()

    with ThreadPoolExecutor() as threads:
        release = threading.Event()
        if first_turn:
            holder = threads.submit(hold, lambda: release.wait(60))
            await_waiting(turns, 0)
            waiter = threads.submit(take)
        else:
            waiter = threads.submit(take)
            holder = threads.submit(hold, lambda: release.wait(60))
        await_waiting(turns, 1)
        may_wait.set()
        with pytest.raises(Interrupted):
            waiter.result(timeout=60)
        assert waiting(turns) == 0, "the holder keeps its turn"
        release.set()
        holder.result(timeout=60)
    with turns.take(no_checkpoint):
        pass
