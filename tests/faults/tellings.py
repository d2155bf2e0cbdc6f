"""The judge of webhooks: what clients asked to be told against what receivers heard.

It reads what each receiver got and answered, and the ledger's records, and names everything that
should not be.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from seewhy.ledger.types import DeliveryState, JobRecord
from servers.receivers import Message


class Amiss(StrEnum):
    """What can be amiss."""

    UNTOLD = "never told, though its receiver recovered"
    ASTRAY = "told to one who was not to be"
    CHANGED = "another body under the same id"
    MISNAMED = "an id that is not the body's"
    FORGED = "a signature that does not verify"
    AGAIN = "told again for no reason"
    MISSTATED = "the ledger says otherwise"
    LEFT_OVER = "still in the outbox"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message at a receiver, and whether that answered 2xx."""

    receiver: str
    message: Message
    thanked: bool

    @property
    def job_id(self) -> str:
        """The job that the body tells of."""
        return str(json.loads(self.message.body)["data"]["id"])


@dataclass(frozen=True, kw_only=True)
class Tellings:
    """All that is known after a run. `verify` raises when a message is not signed as it should."""

    asked: Mapping[str, str]
    """Job → the receiver that is to be told."""
    ends: Mapping[str, DeliveryState]
    """Receiver → how the telling of its messages has to end."""
    heard: Sequence[Heard]
    records: Mapping[str, JobRecord]
    blows: Sequence[float]
    """When a courier or its connections died, in s since 1970."""
    left_over: Sequence[str]
    """The keys and origins that the outbox still has."""
    verify: Callable[[Message], object]


@dataclass(frozen=True)
class Verdict:
    """What is amiss, and how often the told were thanked for in all and more than once."""

    amiss: tuple[tuple[Amiss, str], ...]
    delivered: int
    again: int

    def __str__(self) -> str:
        wrong = "".join(f"\n{kind}: {whom}" for kind, whom in self.amiss)
        return f"{self.delivered} delivered, {self.again} of them more than once.{wrong}"


def judge(tellings: Tellings) -> Verdict:
    """Judge a history."""
    steps = (_messages, _repeats, _outcomes)
    amiss = [found for step in steps for found in step(tellings)]
    amiss += [(Amiss.LEFT_OVER, key) for key in tellings.left_over]
    thanks = Counter(_id_of(one.message) for one in tellings.heard if one.thanked)
    again = sum(count > 1 for count in thanks.values())
    return Verdict(tuple(amiss), len(thanks), again)


def _messages(tellings: Tellings) -> Iterator[tuple[Amiss, str]]:
    bodies: dict[str, bytes] = {}
    for one in tellings.heard:
        named = _id_of(one.message)
        job_id = one.job_id
        if tellings.asked.get(job_id) != one.receiver:
            yield Amiss.ASTRAY, f"{job_id} to {one.receiver}"
        if named != f"msg_{job_id}":
            yield Amiss.MISNAMED, f"{job_id} as {named}"
        if bodies.setdefault(named, one.message.body) != one.message.body:
            yield Amiss.CHANGED, job_id
        try:
            tellings.verify(one.message)
        except Exception as error:  # noqa: BLE001 - whatever is raised, it does not verify
            yield Amiss.FORGED, f"{job_id}: {error!r}"


def _repeats(tellings: Tellings) -> Iterator[tuple[Amiss, str]]:
    """Nobody is told again who has thanked, unless what went between could not be noted down."""
    thanked: dict[str, float] = {}
    for one in sorted(tellings.heard, key=lambda heard: heard.message.at):
        named, at = _id_of(one.message), one.message.at
        if named in thanked and not any(thanked[named] <= blow <= at for blow in tellings.blows):
            yield Amiss.AGAIN, f"{named} after {at - thanked[named]:.2f} s"
        if one.thanked:
            thanked[named] = at


def _outcomes(tellings: Tellings) -> Iterator[tuple[Amiss, str]]:
    thanked = {_id_of(one.message) for one in tellings.heard if one.thanked}
    for job_id, receiver in tellings.asked.items():
        wanted = tellings.ends[receiver]
        record = tellings.records.get(job_id)
        state = record.webhook.state if record and record.webhook else None
        if wanted is DeliveryState.DELIVERED and f"msg_{job_id}" not in thanked:
            yield Amiss.UNTOLD, f"{job_id} to {receiver}, {state}"
        elif state is not wanted:
            yield Amiss.MISSTATED, f"{job_id} to {receiver} is {state}"


def _id_of(message: Message) -> str:
    return message.headers.get("webhook-id", "")
