"""The queues of open jobs, as operators see them: one shape for the API and the command line."""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ledger.types import (
    LaneStatus,
    LedgerStatus,
    RegisteredWorker,
    is_long,
    model_of,
    priority_of,
)
from seewhy.schemas.job import Priority


class Queue(BaseModel):
    """The open jobs of one model and priority, of all tenants."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    model: str
    priority: Priority
    long: bool = Field(description="Whether these are the jobs that do not fit into a batch.")
    open: int = Field(description="The jobs without an outcome.")
    waiting: int = Field(description="The open jobs that a worker may claim now.")
    running: int
    oldest_waiting_s: float = Field(
        description="The age of the oldest waiting job since its submission; 0 without one."
    )
    longest_running_s: float = Field(
        description="The time since the oldest claim of a running job; 0 without one."
    )
    backlog_device_s: float = Field(
        description="The seconds of one device that the waiting and running jobs are estimated "
        "to take."
    )
    workers: int = Field(description="The workers that have the model loaded.")


class Queues(BaseModel):
    """The queues with open jobs, and what waits for a person."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    queues: tuple[Queue, ...]
    drain_s: dict[str, float | None] = Field(
        description="By model, the seconds until the workers that have it loaded will have done "
        "its backlog if nothing arrives; null if there are none."
    )
    dead_letters: int = Field(description="Failed jobs that nobody has retried or dismissed.")
    undelivered: int = Field(
        description="Webhooks and pushes whose last attempt failed, and that nobody has dismissed."
    )

    @classmethod
    def of(cls, status: LedgerStatus, workers: Sequence[RegisteredWorker]) -> Self:
        """Describe the queues, by model, the most urgent first."""
        loaded = {
            model: sum(model in worker.models for worker in workers)
            for model in map(model_of, status.lanes)
        }
        return cls(
            queues=tuple(
                _queue(lane, status.lanes[lane], loaded) for lane in sorted(status.lanes, key=_rank)
            ),
            drain_s={model: _drain_s(status, model, loaded[model]) for model in sorted(loaded)},
            dead_letters=status.dead_letters,
            undelivered=status.deliveries.undelivered,
        )


def _rank(lane: str) -> tuple[str, int, bool]:
    return model_of(lane), list(Priority).index(priority_of(lane)), is_long(lane)


def _queue(lane: str, status: LaneStatus, loaded: Mapping[str, int]) -> Queue:
    return Queue(
        model=model_of(lane),
        priority=priority_of(lane),
        long=is_long(lane),
        open=status.open,
        waiting=status.ready,
        running=status.running,
        oldest_waiting_s=status.oldest_ready_ms / 1000,
        longest_running_s=status.longest_running_ms / 1000,
        backlog_device_s=round(status.backlog_device_s, 3),
        workers=loaded[model_of(lane)],
    )


def _drain_s(status: LedgerStatus, model: str, workers: int) -> float | None:
    if not workers:
        return None
    lanes = (lane for name, lane in status.lanes.items() if model_of(name) == model)
    return round(sum(lane.backlog_device_s for lane in lanes) / workers, 3)
