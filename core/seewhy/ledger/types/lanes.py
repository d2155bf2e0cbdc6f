"""Lanes, and the Celery queues of the wakeups for them."""

from seewhy.schemas.job import Priority

WAKEUP_QUEUE_PREFIX = "seewhy:wakeups:"

DISPATCHER_QUEUE = f"{WAKEUP_QUEUE_PREFIX}webhooks"
"""The Celery queue, and so the Redis list, of the wakeups for webhook dispatchers."""


def lane_of(model: str, priority: Priority) -> str:
    """Name the lane of a model and a priority: one queue of ready jobs."""
    return f"{model}:{priority}"


def model_of(lane: str) -> str:
    """Return the model of a lane."""
    return lane.rpartition(":")[0]


def lanes_of(model: str) -> tuple[str, ...]:
    """Name the lanes of a model, the most urgent first."""
    return tuple(lane_of(model, priority) for priority in Priority)


def wakeup_queue(lane: str) -> str:
    """Name the Celery queue, and so the Redis list, of the wakeups for a lane."""
    return f"{WAKEUP_QUEUE_PREFIX}{lane}"
