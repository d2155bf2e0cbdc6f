"""Threads that take turns."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from seewhy_worker.checkpoints.checkpoint import Interrupted, no_checkpoint
from seewhy_worker.pipeline.turns import LAG_S, MAX_WEIGHT, Turns
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


class TimedTurns:
    """Threads of two groups that use the device in steps, on a clock that they move."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.turns = Turns(clock=lambda: self.now_s)
        self.used_s = {"long": 0.0, "batch": 0.0}
        self.end_s = 100.0

    def use(self, group: str, step_s: float, weight: int = 1) -> None:
        with self.turns.take(no_checkpoint, group=group, weight=weight) as hand_over:
            while self.now_s < self.end_s:
                self.now_s += step_s
                self.used_s[group] += step_s
                hand_over()

    def run(self, *threads: tuple[str, float, int]) -> dict[str, float]:
        with ThreadPoolExecutor() as pool, self.turns.take(no_checkpoint, group="first"):
            for place, (group, step_s, weight) in enumerate(threads):
                pool.submit(self.use, group, step_s, weight)
                await_waiting(self.turns, place + 1)
        return self.used_s


def test_groups_share_the_time_whatever_their_steps_and_threads() -> None:
    used_s = TimedTurns().run(("long", 2.0, 1), ("batch", 0.25, 1), ("batch", 0.25, 1))
    assert used_s["long"] == pytest.approx(used_s["batch"], abs=4)


def test_groups_share_the_time_by_their_weights() -> None:
    used_s = TimedTurns().run(("long", 0.5, 1), ("batch", 0.25, 4))
    assert used_s["batch"] == pytest.approx(4 * used_s["long"], abs=4)


def test_no_group_is_kept_waiting_for_long() -> None:
    used_s = TimedTurns().run(("long", 0.5, 1), ("batch", 0.5, 30_000))
    assert used_s["long"] >= 100 / (MAX_WEIGHT + 1) - 1


def test_a_group_that_was_idle_is_owed_a_limited_time() -> None:
    timed = TimedTurns()
    timed.use("long", 1.0)
    timed.end_s += 10
    used_s = timed.run(("long", 0.25, 1), ("batch", 0.25, 1))
    assert used_s["batch"] == pytest.approx(used_s["long"] - 100, abs=2 * LAG_S)
