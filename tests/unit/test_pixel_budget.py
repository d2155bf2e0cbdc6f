"""The budget of pixels: turns, limits on waiting, and images that are kept."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from images import ENCODED
from seewhy.errors import TooManyRenderings
from seewhy.imaging.pixel_budget import PixelBudget, pixel_cost
from servers.waiting import wait_until

Holding = tuple[threading.Event, Callable[[], None], "Future[None]"]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def hold(threads: ThreadPoolExecutor, budget: PixelBudget, pixels: int) -> Holding:
    """Reserve pixels in a thread; return its start, how to end it, and its outcome."""
    started, ended = threading.Event(), threading.Event()

    def run() -> None:
        with budget.reserve(pixels):
            started.set()
            assert ended.wait(20)

    return started, ended.set, threads.submit(run)


def is_waiting(budget: PixelBudget, count: int) -> None:
    wait_until(lambda: len(budget._waiting) == count, what=f"{count} threads wait")


def test_images_share_the_budget_until_it_is_used_up(threads: ThreadPoolExecutor) -> None:
    budget = PixelBudget(pixels=10)
    first, end_first, _ = hold(threads, budget, 6)
    second, end_second, _ = hold(threads, budget, 4)
    assert first.wait(20)
    assert second.wait(20)
    third, end_third, _ = hold(threads, budget, 5)
    is_waiting(budget, 1)
    end_second()
    wait_until(lambda: budget._reserved == 6, what="the second image is done")
    assert not third.is_set()
    end_first()
    assert third.wait(20)
    end_third()


def test_small_images_do_not_overtake_a_large_one(threads: ThreadPoolExecutor) -> None:
    budget = PixelBudget(pixels=10)
    running, end_running, _ = hold(threads, budget, 6)
    assert running.wait(20)
    large, end_large, _ = hold(threads, budget, 9)
    is_waiting(budget, 1)
    small, end_small, _ = hold(threads, budget, 1)
    is_waiting(budget, 2)
    assert not small.is_set()
    end_running()
    assert large.wait(20)
    assert small.wait(20)
    end_large()
    end_small()


def test_an_image_larger_than_the_budget_runs_alone(threads: ThreadPoolExecutor) -> None:
    budget = PixelBudget(pixels=10)
    small, end_small, _ = hold(threads, budget, 1)
    assert small.wait(20)
    huge, end_huge, _ = hold(threads, budget, 1_000)
    is_waiting(budget, 1)
    end_small()
    assert huge.wait(20)
    other, end_other, _ = hold(threads, budget, 1)
    is_waiting(budget, 1)
    end_huge()
    assert other.wait(20)
    end_other()


def test_a_failing_block_returns_its_pixels() -> None:
    budget = PixelBudget(pixels=10, timeout_s=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserve(10):
            raise ZeroDivisionError


def test_after_its_timeout_an_image_makes_room_for_the_next(threads: ThreadPoolExecutor) -> None:
    budget = PixelBudget(pixels=10, timeout_s=1)
    with ExitStack() as stack:
        stack.enter_context(budget.reserve(6))
        _, _, large = hold(threads, budget, 9)
        wait_until(lambda: bool(budget._waiting) or large.done(), what="the large image waits")
        wait_until(lambda: _fits(budget, 4), what="the large image gives up")
        with pytest.raises(TooManyRenderings):
            large.result(20)


def _fits(budget: PixelBudget, pixels: int) -> bool:
    try:
        with budget.reserve(pixels):
            return True
    except TooManyRenderings:
        return False


def test_kept_images_count_until_they_are_garbage() -> None:
    budget = PixelBudget(pixels=10)
    kept = budget.keep(np.zeros((2, 3, 3), np.uint8))
    view = None if kept is None else kept[:1]
    assert budget.keep(np.zeros((5, 1, 3), np.uint8)) is None
    assert budget.keep(np.zeros((4, 1, 3), np.uint8)) is not None
    del kept
    gc.collect()
    assert view is not None
    assert budget._reserved == 6
    del view
    gc.collect()
    assert budget._reserved == 0


def test_the_cost_of_an_image_grows_with_its_pixels_its_format_and_its_bytes() -> None:
    for kind, factor in (("JPEG", 1), ("PNG", 1), ("WEBP", 1.5)):
        cost = pixel_cost(ENCODED[kind], width_px=40, height_px=24)
        assert cost == 40 * 24 * factor + 2 * len(ENCODED[kind]) // 13


def test_a_number_of_threads_hold_pixels_at_once(threads: ThreadPoolExecutor) -> None:
    budget = PixelBudget(pixels=10, max_holders=2)
    (first, end_first, _), (second, end_second, _) = (hold(threads, budget, 1) for _ in range(2))
    assert first.wait(20)
    assert second.wait(20)
    third, end_third, _ = hold(threads, budget, 1)
    is_waiting(budget, 1)
    end_first()
    assert third.wait(20)
    kept = budget.keep(np.zeros((2, 2, 3), np.uint8))
    assert kept is not None, "an image that is kept holds pixels, but no thread"
    end_second()
    end_third()
