"""Pacing: a batch is claimed when it will be prepared just before the device is free."""

import math

import pytest

from seewhy.pacing import BatchTimes, LeadTime, PacedBatch, Pacing


def paced(*, lead_s: float, batches: list[tuple[float, float]]) -> Pacing:
    """Create a pacing that has measured batches, as cost and seconds."""
    pacing = Pacing()
    for cost, time_s in batches:
        pacing.times.add(cost, time_s)
    pacing.lead.value_s = lead_s
    return pacing


def running(pacing: Pacing, cost: float, *, since_s: float) -> PacedBatch:
    batch = pacing.claim(since_s, cost)
    pacing.prepare(batch, since_s, cost)
    return batch


def test_the_time_of_a_batch_follows_a_line_through_its_predecessors() -> None:
    times = BatchTimes()
    for cost in (1, 8, 3, 8, 2):
        times.add(cost, 0.08 + 0.04 * cost)
    assert [times.expected_s(cost) for cost in (1, 5, 8)] == pytest.approx([0.12, 0.28, 0.4])


def test_batches_of_one_cost_say_how_long_another_takes_at_least() -> None:
    times = BatchTimes()
    for _ in range(3):
        times.add(8, 0.4)
    assert [times.expected_s(cost) for cost in (4, 16)] == pytest.approx([0.2, 0.4])


def test_a_device_that_becomes_slower_is_noticed_within_some_batches() -> None:
    times = BatchTimes()
    for n in range(100):
        times.add(8, 0.4 if n < 60 else 0.8)
    assert times.expected_s(8) == pytest.approx(0.8, rel=0.01)


def test_the_lead_of_constant_needs_approaches_them_from_above() -> None:
    lead, values = LeadTime(), []
    for _ in range(40):
        lead.add(0.05)
        values.append(lead.value_s)
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0.05, rel=0.01)


def test_a_free_device_needs_a_batch_now() -> None:
    assert paced(lead_s=0.05, batches=[(8, 0.4)]).wait_s(3.0) == 0


def test_the_next_batch_is_claimed_a_lead_before_the_device_is_free() -> None:
    pacing = paced(lead_s=0.05, batches=[(8, 0.4)])
    running(pacing, 8, since_s=1.0)
    assert pacing.wait_s(1.1) == pytest.approx(0.25)
    assert pacing.wait_s(1.35) == 0


def test_no_batch_is_claimed_while_another_is_ready_to_follow() -> None:
    pacing = paced(lead_s=0.05, batches=[(8, 0.4)])
    first = running(pacing, 8, since_s=1.0)
    second = running(pacing, 8, since_s=1.36)
    assert pacing.wait_s(1.39) == math.inf
    pacing.end(first, 1.41, 0.4)
    assert pacing.wait_s(1.41) == pytest.approx(0.4 - pacing.lead.value_s)
    pacing.end(second, 1.81, 0.4)
    assert pacing.wait_s(1.81) == 0


def test_several_batches_are_prepared_at_once_when_that_takes_longer_than_the_device() -> None:
    pacing = paced(lead_s=1.0, batches=[(8, 0.4)])
    claimed = 0
    while pacing.wait_s(0.0) == 0:
        pacing.claim(0.0, 8)
        claimed += 1
    assert claimed == 3


def test_two_batches_are_claimed_before_a_time_is_known() -> None:
    pacing = Pacing()
    first = running(pacing, 8, since_s=0.0)
    assert pacing.wait_s(0.1) == 0
    running(pacing, 8, since_s=0.1)
    assert pacing.wait_s(0.2) == math.inf
    pacing.end(first, 0.4)
    assert pacing.wait_s(0.4) == 0


def test_a_batch_that_was_shorter_than_expected_lengthens_the_lead() -> None:
    pacing = paced(lead_s=0.0, batches=[(8, 0.4)])
    batch = pacing.claim(0.0, 8)
    pacing.prepare(batch, 0.02, 8)
    pacing.end(batch, 0.32, 0.3)
    assert pacing.lead.value_s == pytest.approx(3 * (0.02 + 0.1))


def test_a_batch_that_was_not_measured_changes_no_estimate() -> None:
    pacing = paced(lead_s=0.05, batches=[(8, 0.4)])
    batch = running(pacing, 8, since_s=0.0)
    pacing.end(batch, 9.0)
    pacing.end(batch, 9.5)
    assert [pacing.lead.value_s, pacing.times.expected_s(8)] == pytest.approx([0.05, 0.4])
