"""Batches: which of the claimed jobs go to the device together."""

from collections.abc import Sequence

from seewhy_worker.pipeline.fetch import FetchedJob


def divide_into_batches(jobs: Sequence[FetchedJob], *, max_passes: float) -> list[list[FetchedJob]]:
    """Put jobs together up to `max_passes` forward passes, in order.

    A job with more passes is a batch of its own. Such batches are last, the longest at the end.
    """
    batches: list[list[FetchedJob]] = []
    passes = max_passes
    for job in sorted(jobs, key=lambda job: job.passes if job.passes > max_passes else 0):
        passes += job.passes
        if passes > max_passes:
            batches.append([])
            passes = job.passes
        batches[-1].append(job)
    return batches
