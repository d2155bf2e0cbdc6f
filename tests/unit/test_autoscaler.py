"""The formula of the autoscaler, by examples that follow from Kubernetes' documentation."""

from seewhy.capacity.autoscaling import Autoscaler, AutoscalerPolicy, Behavior


def scaler(**options: float) -> Autoscaler:
    behavior = Behavior(**options)  # type: ignore[arg-type]
    return Autoscaler(AutoscalerPolicy(target=100, max_workers=20, behavior=behavior))


def test_the_backlog_divided_by_the_target_is_rounded_up() -> None:
    assert scaler().decide(0, backlog=301, workers=1) == 4


def test_a_difference_of_a_tenth_changes_nothing() -> None:
    assert scaler().decide(0, backlog=329, workers=3) == 3
    assert scaler().decide(0, backlog=331, workers=3) == 4


def test_four_workers_or_as_many_as_there_are_come_in_a_period() -> None:
    autoscaler = scaler()
    assert autoscaler.decide(0, backlog=2000, workers=1) == 5
    assert autoscaler.decide(10, backlog=2000, workers=5) == 5
    assert autoscaler.decide(16, backlog=2000, workers=5) == 10
    assert autoscaler.decide(32, backlog=2000, workers=10) == 20


def test_workers_stay_until_the_whole_window_wants_fewer() -> None:
    autoscaler = scaler()
    autoscaler.decide(0, backlog=800, workers=8)
    assert autoscaler.decide(299, backlog=0, workers=8) == 8
    assert autoscaler.decide(301, backlog=0, workers=8) == 4


def test_half_of_the_workers_go_in_a_period() -> None:
    autoscaler = scaler(down_window_s=1)
    assert autoscaler.decide(0, backlog=0, workers=8) == 4
    assert autoscaler.decide(30, backlog=0, workers=4) == 4
    assert autoscaler.decide(61, backlog=0, workers=4) == 2
    assert autoscaler.decide(122, backlog=0, workers=2) == 1
    assert autoscaler.decide(183, backlog=0, workers=1) == 1


def test_the_bounds_hold() -> None:
    assert scaler().decide(0, backlog=1e6, workers=19) == 20
    assert scaler().decide(0, backlog=0, workers=0) == 1


def test_keda_starts_the_first_worker_at_a_poll_and_stops_the_last_after_a_while() -> None:
    autoscaler = Autoscaler(AutoscalerPolicy(target=100, min_workers=0))
    assert autoscaler.interval_s(0) == 30
    assert autoscaler.decide(0, backlog=0, workers=0) == 0
    assert autoscaler.decide(30, backlog=500, workers=0) == 1
    assert autoscaler.interval_s(1) == 15
    assert autoscaler.decide(300, backlog=0, workers=1) == 1
    assert autoscaler.decide(330, backlog=0, workers=1) == 0
