"""Checks the messages that webhook receivers got against the webhooks that clients asked for.

The checker compares what each receiver received and answered with the ledger's records, and
reports every anomaly.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from seewhy.ledger.types import DeliveryState, JobRecord
from servers.receivers import Message


class WebhookAnomaly(StrEnum):
    """The kinds of violations."""

    NOT_DELIVERED = "not delivered to a receiver that recovered"
    WRONG_RECEIVER = "delivered to the wrong receiver"
    BODY_CHANGED = "different body under the same id"
    ID_MISMATCH = "id does not match the body"
    BAD_SIGNATURE = "signature does not verify"
    REDELIVERED = "redelivered without cause"
    WRONG_STATE = "wrong delivery state"
    LEFT_OVER = "still in the outbox"


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message at a receiver, and whether the receiver answered 2xx."""

    receiver: str
    message: Message
    acknowledged: bool

    @property
    def job_id(self) -> str:
        """The job id in the body."""
        return str(json.loads(self.message.body)["data"]["id"])

    @property
    def message_id(self) -> str:
        """The `webhook-id` header."""
        return self.message.headers.get("webhook-id", "")


@dataclass(frozen=True, kw_only=True)
class WebhookHistory:
    """Everything recorded during a run. `verify` raises when a signature is invalid."""

    requested: Mapping[str, str]
    """Job id → the receiver of its webhook."""
    expected: Mapping[str, DeliveryState]
    """Receiver → the final state of its deliveries."""
    received: Sequence[ReceivedMessage]
    records: Mapping[str, JobRecord]
    fault_times_s: Sequence[float]
    """When a dispatcher or its connections were killed, in s since 1970."""
    left_over: Sequence[str]
    """The keys and origins that remain in the outbox."""
    verify: Callable[[Message], object]


@dataclass(frozen=True)
class WebhookReport:
    """The checker's findings, and how many messages were acknowledged at all and repeatedly."""

    violations: tuple[tuple[WebhookAnomaly, str], ...]
    delivered: int
    redelivered: int

    def __str__(self) -> str:
        violations = "".join(f"\n{anomaly}: {subject}" for anomaly, subject in self.violations)
        return f"{self.delivered} delivered, {self.redelivered} more than once.{violations}"


def check_webhooks(history: WebhookHistory) -> WebhookReport:
    """Check a history."""
    checks = (_messages, _redeliveries, _delivery_states)
    violations = [violation for each in checks for violation in each(history)]
    violations += [(WebhookAnomaly.LEFT_OVER, key) for key in history.left_over]
    acknowledged = Counter(one.message_id for one in history.received if one.acknowledged)
    redelivered = sum(count > 1 for count in acknowledged.values())
    return WebhookReport(tuple(violations), len(acknowledged), redelivered)


def _messages(history: WebhookHistory) -> Iterator[tuple[WebhookAnomaly, str]]:
    bodies: dict[str, bytes] = {}
    for one in history.received:
        job_id, message_id, body = one.job_id, one.message_id, one.message.body
        if history.requested.get(job_id) != one.receiver:
            yield WebhookAnomaly.WRONG_RECEIVER, f"{job_id} to {one.receiver}"
        if message_id != f"msg_{job_id}":
            yield WebhookAnomaly.ID_MISMATCH, f"{job_id} as {message_id}"
        if bodies.setdefault(message_id, body) != body:
            yield WebhookAnomaly.BODY_CHANGED, job_id
        try:
            history.verify(one.message)
        except Exception as error:  # noqa: BLE001 - any error means that it does not verify
            yield WebhookAnomaly.BAD_SIGNATURE, f"{job_id}: {error!r}"


def _redeliveries(history: WebhookHistory) -> Iterator[tuple[WebhookAnomaly, str]]:
    """A message may follow its acknowledgement only if a fault prevented the report."""
    acknowledged: dict[str, float] = {}
    for one in sorted(history.received, key=lambda received: received.message.at):
        message_id, at = one.message_id, one.message.at
        if message_id in acknowledged:
            earlier = acknowledged[message_id]
            if not any(earlier <= fault_s <= at for fault_s in history.fault_times_s):
                yield WebhookAnomaly.REDELIVERED, f"{message_id} after {at - earlier:.2f} s"
        if one.acknowledged:
            acknowledged[message_id] = at


def _delivery_states(history: WebhookHistory) -> Iterator[tuple[WebhookAnomaly, str]]:
    acknowledged = {one.message_id for one in history.received if one.acknowledged}
    for job_id, receiver in history.requested.items():
        expected = history.expected[receiver]
        record = history.records.get(job_id)
        state = record.webhook.state if record and record.webhook else None
        if expected is DeliveryState.DELIVERED and f"msg_{job_id}" not in acknowledged:
            yield WebhookAnomaly.NOT_DELIVERED, f"{job_id} to {receiver}, {state}"
        elif state is not expected:
            yield WebhookAnomaly.WRONG_STATE, f"{job_id} to {receiver} is {state}"
