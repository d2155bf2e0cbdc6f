"""Lanes, and the Redis lists of the wakeups for them."""

from seewhy.schemas.job import Priority

KEY_PREFIX = "{seewhy}:"
"""The beginning of every key. In cluster mode, its hash tag keeps all of them in one slot."""

WAKEUP_QUEUE_PREFIX = f"{KEY_PREFIX}wakeups:"

DISPATCHER_QUEUE = f"{WAKEUP_QUEUE_PREFIX}webhooks"
"""The Redis list of the wakeups for webhook dispatchers."""

_LONG = "long"


def lane_of(model: str, priority: Priority, *, long: bool = False) -> str:
    """Name the lane of a model and a priority: one queue of ready jobs.

    Long jobs, whose forward passes do not fit into a batch, have lanes of their own.
    """
    return f"{model}:{priority}:{_LONG}" if long else f"{model}:{priority}"


def lanes_of(model: str) -> tuple[str, ...]:
    """Name the lanes of a model: those of long jobs last, the most urgent first."""
    return tuple(
        lane_of(model, priority, long=long) for long in (False, True) for priority in Priority
    )


def model_of(lane: str) -> str:
    """Return the model of a lane."""
    return lane.partition(":")[0]


def priority_of(lane: str) -> Priority:
    """Return the priority of a lane."""
    return Priority(lane.split(":")[1])


def is_long(lane: str) -> bool:
    """Whether a lane is for long jobs."""
    return lane.endswith(f":{_LONG}")


def more_urgent_lanes(lane: str) -> tuple[str, ...]:
    """Name the lanes whose jobs are claimed before those of a lane, by the same threads."""
    before = list(Priority)[: list(Priority).index(priority_of(lane))]
    return tuple(lane_of(model_of(lane), priority, long=is_long(lane)) for priority in before)


def lanes_beside(lane: str) -> tuple[str, ...]:
    """Name the lanes whose jobs share the device in turns with those of a lane."""
    return tuple(other for other in lanes_of(model_of(lane)) if is_long(other) != is_long(lane))


def sibling_lane(lane: str) -> str:
    """Name the lane of the same model and priority for long jobs, or for the others."""
    return lane_of(model_of(lane), priority_of(lane), long=not is_long(lane))


def wakeup_queue(lane: str) -> str:
    """Name the Redis list of the wakeups for a lane."""
    return f"{WAKEUP_QUEUE_PREFIX}{lane}"
