"""The formula of the autoscaler, by examples that follow from Kubernetes' documentation."""

from faults.autoscaler import Autoscaler, Behavior


def scaler(**options: float) -> Autoscaler:
    return Autoscaler(target=100, minimum=1, maximum=20, behavior=Behavior(**options))  # type: ignore[arg-type]


def test_the_backlog_divided_by_the_target_is_rounded_up() -> None:
    assert scaler().decide(0, backlog=301, replicas=1) == 4


def test_a_difference_of_a_tenth_changes_nothing() -> None:
    assert scaler().decide(0, backlog=329, replicas=3) == 3
    assert scaler().decide(0, backlog=331, replicas=3) == 4


def test_four_workers_or_as_many_as_there_are_come_in_a_period() -> None:
    autoscaler = scaler()
    assert autoscaler.decide(0, backlog=2000, replicas=1) == 5
    assert autoscaler.decide(10, backlog=2000, replicas=5) == 5
    assert autoscaler.decide(16, backlog=2000, replicas=5) == 10
    assert autoscaler.decide(32, backlog=2000, replicas=10) == 20


def test_workers_stay_until_the_whole_window_wants_fewer() -> None:
    autoscaler = scaler()
    autoscaler.decide(0, backlog=800, replicas=8)
    assert autoscaler.decide(299, backlog=0, replicas=8) == 8
    assert autoscaler.decide(301, backlog=0, replicas=8) == 4


def test_half_of_the_workers_go_in_a_period() -> None:
    autoscaler = scaler(down_window_s=1)
    assert autoscaler.decide(0, backlog=0, replicas=8) == 4
    assert autoscaler.decide(30, backlog=0, replicas=4) == 4
    assert autoscaler.decide(61, backlog=0, replicas=4) == 2
    assert autoscaler.decide(122, backlog=0, replicas=2) == 1
    assert autoscaler.decide(183, backlog=0, replicas=1) == 1


def test_the_bounds_hold() -> None:
    assert scaler().decide(0, backlog=1e6, replicas=19) == 20
    assert scaler().decide(0, backlog=0, replicas=0) == 1
