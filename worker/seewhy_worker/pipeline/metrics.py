"""The metrics of a worker process: batches, the device, stages, and the outcomes of jobs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from seewhy.errors import SeewhyError
from seewhy.ledger.types import Claim, model_of, priority_of
from seewhy_worker.explain.types import ImageExplanation

WAIT_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
STAGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32)

WAIT = Histogram(
    "seewhy_job_wait_seconds",
    "Time from the submission of a job to its claim, at its first attempt.",
    labelnames=["model", "priority"],
    buckets=WAIT_BUCKETS_S,
)
STAGE = Histogram(
    "seewhy_batch_stage_seconds",
    "Time that the jobs claimed together spent in a stage: fetch, explain or publish.",
    labelnames=["model", "stage"],
    buckets=STAGE_BUCKETS_S,
)
BATCH_SIZE = Histogram(
    "seewhy_batch_images",
    "Images that were explained together.",
    labelnames=["model"],
    buckets=SIZE_BUCKETS,
)
DEVICE_BUSY = Counter(
    "seewhy_device_busy_seconds", "Time during which the device explained.", labelnames=["model"]
)
EXPLANATIONS = Counter(
    "seewhy_explanations",
    "Explained images, by whether the body of the network was computed or its activations kept.",
    labelnames=["model", "body"],
)
REPORTS = Counter(
    "seewhy_job_reports",
    "Reports that the ledger took: succeeded, failed (for now or for good), released, cancelled.",
    labelnames=["model", "outcome"],
)
STALE_REPORTS = Counter(
    "seewhy_stale_reports",
    "Reports that the ledger refused because the worker had lost its claim.",
    labelnames=["model"],
)
FAILURES = Counter(
    "seewhy_job_failures", "Failed attempts, by the code of the error.", labelnames=["code"]
)


def observe_claims(claims: Sequence[Claim]) -> None:
    """Observe how long jobs waited."""
    for claim in claims:
        if claim.attempt == 1:
            WAIT.labels(model_of(claim.lane), priority_of(claim.lane)).observe(
                claim.waited_ms / 1000
            )


def observe_batch(
    model: str, outcomes: Sequence[ImageExplanation | SeewhyError], *, device_s: float
) -> None:
    """Observe a batch that the device has explained."""
    BATCH_SIZE.labels(model).observe(len(outcomes))
    DEVICE_BUSY.labels(model).inc(device_s)
    STAGE.labels(model, "explain").observe(device_s)
    for outcome in outcomes:
        if isinstance(outcome, ImageExplanation):
            EXPLANATIONS.labels(model, outcome.body).inc()


@contextmanager
def observed_stage(model: str, stage: str) -> Iterator[None]:
    """Observe the time of the block as that of a stage."""
    started_s = time.perf_counter()
    try:
        yield
    finally:
        STAGE.labels(model, stage).observe(time.perf_counter() - started_s)


def observe_reports(outcome: str, claims: Sequence[Claim], applied: Sequence[bool]) -> None:
    """Count reports; `applied` says which of them the ledger took. Empty: it was unavailable."""
    for claim, was_applied in zip(claims, applied, strict=False):
        if was_applied:
            REPORTS.labels(model_of(claim.lane), outcome).inc()
        else:
            STALE_REPORTS.labels(model_of(claim.lane)).inc()
