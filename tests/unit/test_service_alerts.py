"""What the alerts of the status say, when, and in which order."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seewhy.ledger.types import (
    DeliveryBacklog,
    JobCounts,
    LaneStatus,
    LedgerStatus,
    ModelPresence,
    RegisteredWorker,
    ServerStatus,
    WorkerDetails,
)
from seewhy.monitoring.ledger_metrics import NO_JOBS
from seewhy.monitoring.service_alerts import Alert, LedgerReadings, alerts_of, duration

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
NOW_MS = 1_000_000_000
STATUS = LedgerStatus(
    counts=JobCounts(accepted=0, non_terminal=0),
    leases_expired=0,
    overdue=0,
    dead_letters=0,
    unarchived=0,
    accepting_batches=0,
    deliveries=DeliveryBacklog(origins=0, delay_ms=0, undelivered=0),
    durations={},
)
SERVER = ServerStatus(
    used_memory_bytes=10, max_memory_bytes=100, evicted_keys=0, clients=1, is_persistent=True
)
WORKER = RegisteredWorker("host:7:ab", models=("m",), started_ms=0, seen_ms=NOW_MS - 9_000)
HEALTHY = LedgerReadings(
    status=STATUS,
    server=SERVER,
    workers=[WORKER],
    presence={"m": ModelPresence(workers=1, last_seen_ms=NOW_MS - 9_000, unseen_ms=9_000)},
    lease_ms=30_000,
)


def lane(**values: int) -> dict[str, LaneStatus]:
    return {"m:interactive": replace(NO_JOBS, **values)}


def with_status(**values: Any) -> LedgerReadings:
    return replace(HEALTHY, status=replace(STATUS, **values))


def alerts(readings: LedgerReadings) -> tuple[Alert, ...]:
    return alerts_of(ledger="ok", store="ok", readings=readings)


def test_a_healthy_service_has_no_alert() -> None:
    assert alerts(HEALTHY) == ()
    waiting = lane(open=5, ready=4, running=1, oldest_ready_ms=59_000)
    assert alerts(with_status(lanes=waiting)) == ()


UNSERVED = replace(
    with_status(lanes=lane(open=12, ready=12, oldest_ready_ms=240_000)),
    workers=[],
    presence={"m": ModelPresence(workers=0, last_seen_ms=NOW_MS - 50_000, unseen_ms=50_000)},
)
NEVER_SERVED = replace(UNSERVED, presence={}, status=replace(STATUS, lanes=lane(open=1)))
SILENT = replace(WORKER, seen_ms=NOW_MS - 21_000, details=WorkerDetails(jobs=4))
FAILED_LOAD = replace(WORKER, details=WorkerDetails(failed_loads={"big": "It is too large."}))
CASES = {
    "SeewhyNoWorkers": (
        UNSERVED,
        "No worker serves m: 12 jobs wait, the oldest for 4 min. The last one reported 50 s ago.",
    ),
    "SeewhyNothingStarts": (
        with_status(lanes=lane(open=1, ready=1, oldest_ready_ms=31_000)),
        "Nothing starts for m: 1 job waits, the oldest for 31 s, and 1 worker could run them.",
    ),
    "SeewhyInteractiveJobsWait": (
        with_status(lanes=lane(open=9, ready=8, running=1, oldest_ready_ms=150_000)),
        "People wait for m: the oldest interactive job for 2 min.",
    ),
    "SeewhyLeasesExpire": (
        replace(
            HEALTHY,
            workers=[SILENT],
            presence={"m": ModelPresence(1, last_seen_ms=SILENT.seen_ms, unseen_ms=21_000)},
        ),
        "Worker host:7:ab has not reported for 21 s. After 30 s it counts as lost, and its 4 jobs "
        "will run again.",
    ),
    "SeewhyModelLoadsFail": (
        replace(HEALTHY, workers=[FAILED_LOAD]),
        "Worker host:7:ab cannot load big: It is too large.",
    ),
    "SeewhyRedisEvicts": (
        replace(HEALTHY, server=replace(SERVER, evicted_keys=1)),
        "Redis has evicted 1 key since it started. Any eviction loses jobs.",
    ),
    "SeewhyRedisAlmostFull": (
        replace(HEALTHY, server=replace(SERVER, used_memory_bytes=90)),
        "Redis uses 90% of its memory. At the limit, submissions get 503.",
    ),
    "SeewhyRedisNotPersistent": (
        replace(HEALTHY, server=replace(SERVER, is_persistent=False)),
        "Redis cannot write to its disk. After a restart, the API rebuilds the ledger.",
    ),
    "SeewhyJobsUnaccounted": (
        with_status(counts=JobCounts(accepted=3, non_terminal=1)),
        "2 jobs are unaccounted for: not open, not ended.",
    ),
    "SeewhyDeliveriesDelayed": (
        with_status(deliveries=DeliveryBacklog(origins=1, delay_ms=7_200_000, undelivered=0)),
        "A webhook or a push has been due for 2 h.",
    ),
    "SeewhyOutcomesUnarchived": (
        with_status(unarchived=1_001),
        "1,001 outcomes are not in the object store yet.",
    ),
    "SeewhyDeadLetters": (with_status(dead_letters=1), "1 failed job waits for a decision."),
    "SeewhyUndelivered": (
        with_status(deliveries=DeliveryBacklog(origins=0, delay_ms=0, undelivered=2)),
        "2 webhooks and pushes could not be delivered.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_alert_says_what_is_wrong_and_what_to_do(name: str) -> None:
    readings, message = CASES[name]
    (alert,) = alerts(readings)
    assert (alert.name, alert.message) == (name, message)
    assert alert.remedy.endswith(".")


def test_a_model_that_no_worker_ever_had_is_named_too() -> None:
    (alert,) = alerts(NEVER_SERVED)
    assert alert.message == "No worker serves m: 1 job not ended."


def test_without_workers_and_jobs_nobody_is_woken() -> None:
    (alert,) = alerts(replace(HEALTHY, workers=[], presence={}))
    assert (alert.name, alert.severity) == ("SeewhyNoWorkers", "ticket")


def test_what_needs_a_person_now_comes_first() -> None:
    readings = replace(
        with_status(dead_letters=1), server=replace(SERVER, is_persistent=False, evicted_keys=1)
    )
    found = alerts_of(ledger="ok", store="store_unavailable", readings=readings)
    assert [alert.severity for alert in found] == ["page", "page", "page", "ticket"]
    assert found[0].name == "SeewhyStoreDown"


def test_a_ledger_that_does_not_answer_is_an_alert() -> None:
    (alert,) = alerts_of(ledger="ledger_unavailable", store="ok", readings=None)
    assert (alert.name, alert.severity) == ("SeewhyLedgerDown", "page")


def test_every_alert_leads_to_a_heading_of_the_runbook() -> None:
    headings = {
        line.lstrip("# ").lower().replace(" ", "-").replace("/", "")
        for line in PAGE.read_text().splitlines()
        if line.startswith("#")
    }
    down = alerts_of(ledger="x", store="x", readings=None)
    for alert in (*down, *(alerts(readings)[0] for readings, _ in CASES.values())):
        page, _, anchor = alert.runbook.partition("#")
        assert (page, anchor in headings) == ("docs/monitoring.md", True), alert.name


def test_durations_have_one_unit() -> None:
    seconds = (0.4, 119, 120, 7_199, 7_200, 172_800)
    shown = [duration(1000 * each) for each in seconds]
    assert shown == ["0 s", "119 s", "2 min", "120 min", "2 h", "2 days"]
