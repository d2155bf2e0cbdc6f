"""Dividing claimed jobs into batches."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy_worker.pipeline.batches import divide_into_batches

BUDGET = 64


def batches_of(*passes: float) -> list[list[float]]:
    jobs = [cast("Any", SimpleNamespace(passes=cost)) for cost in passes]
    divided = divide_into_batches(jobs, max_passes=BUDGET)
    return [[job.passes for job in batch] for batch in divided]


@pytest.mark.parametrize(
    ("passes", "batches"),
    [
        ([], []),
        ([1] * 8, [[1] * 8]),
        ([513, 1, 1], [[1, 1], [513]]),
        ([513, 96, 2, 1], [[2, 1], [96], [513]]),
        ([17, 17, 17, 17], [[17, 17, 17], [17]]),
        ([64, 64], [[64], [64]]),
        ([65], [[65]]),
    ],
)
def test_jobs_share_a_batch_up_to_its_budget(
    passes: list[float], batches: list[list[float]]
) -> None:
    assert batches_of(*passes) == batches


@given(passes=st.lists(st.floats(1, 1000), max_size=32))
def test_no_job_is_lost_and_none_waits_for_a_longer_one(passes: list[float]) -> None:
    batches = batches_of(*passes)
    short = [cost for cost in passes if cost <= BUDGET]
    long = sorted(cost for cost in passes if cost > BUDGET)
    assert [cost for batch in batches for cost in batch] == short + long
    assert all(len(batch) == 1 or sum(batch) <= BUDGET for batch in batches)
