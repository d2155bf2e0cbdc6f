"""The webhook dispatcher: leases an origin, sends the deliveries due there, reports the results."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus

from seewhy.errors import InvalidRequest, Overloaded, Unavailable
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.types import (
    Attempt,
    BatchRecord,
    Delivery,
    DeliveryResult,
    JobRecord,
    OriginLease,
)
from seewhy.logs.context import about
from seewhy.monitoring.tracing import NoTracing, Tracing
from seewhy_api.label_studio.client import ApiKeyRefused, LabelStudioError
from seewhy_api.label_studio.push import SCHEME, Pushed
from seewhy_api.label_studio.pusher import LabelStudioPusher
from seewhy_api.webhooks import metrics
from seewhy_api.webhooks.client import WebhookClient, WebhookRequest, WebhookResponse
from seewhy_api.webhooks.payload import webhook_body
from seewhy_api.webhooks.retry_policy import DELAYS_S, retry_delay_ms
from seewhy_api.webhooks.signing import Signer

REQUESTS_PER_ORIGIN = 8
"""How many requests are sent to one origin at the same time."""

LEASE_LIMIT = 4 * REQUESTS_PER_ORIGIN
"""How many deliveries one lease holds at most."""

MAX_PAUSE_MS = 60_000

_log = logging.getLogger(__name__)

CONFIGURATION_DELAY_MS = 5 * 60_000
"""How long a delivery is put off for which the dispatcher has no settings."""

_Result = tuple[Attempt, WebhookResponse | None]
"""An attempt to report, and the response; None when no request was sent."""


class _NotConfigured(Exception):
    """The dispatcher has no settings for a delivery, or wrong ones. Clients read the message."""

    def __init__(self, message: str, *, problem: str) -> None:
        """The operator reads the problem, a sentence without its stop."""
        super().__init__(message)
        self.problem = problem


class WebhookDispatcher:
    """Delivers the outbox. One per process, used by many threads."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        client: WebhookClient,
        signer: Signer | None,
        pusher: LabelStudioPusher | None = None,
        executor: ThreadPoolExecutor,
        delays_s: Sequence[float] = DELAYS_S,
        tracing: Tracing | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Send requests on the threads of `executor`.

        Without a signer no webhook is sent, and without a pusher no prediction to Label Studio:
        they wait for a dispatcher that has one, and that costs them no attempt.

        `delays_s` holds the delay before each attempt, and so the number of attempts.
        """
        self._outbox = outbox
        self._client = client
        self._signer = signer
        self._pusher = pusher
        self._executor = executor
        self._delays_s = delays_s
        self._tracing = tracing or NoTracing()
        self._now_ms = now_ms
        self._stopping = threading.Event()
        self._problems = set[str]()
        """Those of the settings that the log has."""

    def stop(self) -> None:
        """Lease no more origins and return the deliveries that have not been sent."""
        self._stopping.set()

    def deliver(self) -> int:
        """Lease origins until nothing is due; return the number of attempts.

        Raises `LedgerUnavailable`; attempts that could not be reported become due again.
        """
        attempts = 0
        while not self._stopping.is_set():
            lease = self._outbox.lease_origin(limit=LEASE_LIMIT)
            if lease is None:
                break
            attempts += self._deliver_to_origin(lease)
        return attempts

    def _deliver_to_origin(self, lease: OriginLease) -> int:
        """Send requests in batches until the origin needs a pause; count the attempts."""
        attempts: list[Attempt] = []
        pause_ms = 0
        for start in range(0, len(lease.deliveries), REQUESTS_PER_ORIGIN):
            if pause_ms or self._stopping.is_set():
                break
            batch = lease.deliveries[start : start + REQUESTS_PER_ORIGIN]
            results = list(self._executor.map(self._attempt, batch))
            attempts += [attempt for attempt, _ in results]
            metrics.count_attempts(lease.origin, attempts[-len(results) :])
            pause_ms = self._pause_ms(results)
        unsent = [
            Attempt(delivery, DeliveryResult.NOT_ATTEMPTED)
            for delivery in lease.deliveries[len(attempts) :]
        ]
        self._outbox.report(lease, attempts + unsent, pause_ms=pause_ms)
        return sum(one.result is not DeliveryResult.NOT_ATTEMPTED for one in attempts)

    def _attempt(self, delivery: Delivery) -> _Result:
        subject = "job_id" if isinstance(delivery.record, JobRecord) else "batch_id"
        ids = {subject: delivery.subject_id, "request_id": delivery.record.context.request_id}
        parent = delivery.record.context.traceparent
        with about(**ids), self._tracing.span("deliver", kind="client", parent=parent) as span:
            attempt, response = self._send(delivery)
            span.set({"seewhy.attempt": delivery.attempt, "seewhy.result": attempt.result})
            return attempt, response

    def _send(self, delivery: Delivery) -> _Result:
        """Send one delivery. Never raises: the other deliveries of the lease must be reported."""
        subject_id = delivery.subject_id
        if delivery.attempt > len(self._delays_s):
            # A lease charges its attempts, so every dispatcher that tried this one died.
            detail = "Delivery was interrupted on every attempt."
            return Attempt(delivery, DeliveryResult.EXHAUSTED, detail), None
        try:
            send = self._prepare(delivery)
        except (ValueError, LookupError, TypeError):
            _log.exception("Cannot deliver the outcome of %s: its record is invalid", subject_id)
            detail = "The record cannot be read."
            return Attempt(delivery, DeliveryResult.EXHAUSTED, detail), None
        except _NotConfigured as error:
            return self._put_off(delivery, error), None
        try:
            with metrics.timed(delivery):
                response = send()
        except _NotConfigured as error:
            attempt = self._put_off(delivery, error)
            return attempt, WebhookResponse(attempt.result, attempt.detail)
        except Exception:  # noqa: BLE001
            _log.exception("Cannot deliver the outcome of %s", subject_id)
            response = WebhookResponse(
                DeliveryResult.RETRY, "The request could not be sent; see the dispatcher's log."
            )
        if response.reason:
            _log.info("Cannot deliver the outcome of %s: %s", subject_id, response.reason)
        return self._to_attempt(delivery, response), response

    def _prepare(self, delivery: Delivery) -> Callable[[], WebhookResponse]:
        """Return what sends a delivery.

        Raises `_NotConfigured`, and `ValueError`, `LookupError` or `TypeError` when the record is
        invalid.
        """
        record, webhook = delivery.record, delivery.record.webhook
        if webhook is None:
            raise ValueError("The record has no webhook.")
        if webhook.url.startswith(SCHEME):
            return self._prepare_push(record)
        if self._signer is None:
            raise _NotConfigured(
                "Webhooks are off on this server.", problem="SEEWHY_WEBHOOK_SECRETS is not set"
            )
        body = webhook_body(record)
        message_id = f"msg_{delivery.subject_id}"
        headers = self._signer.headers(message_id, body, now_ms=self._now_ms())
        return partial(self._client.send, WebhookRequest(webhook.url, body, headers))

    def _prepare_push(self, record: JobRecord | BatchRecord) -> Callable[[], WebhookResponse]:
        if not isinstance(record, JobRecord):
            raise TypeError("A batch is not pushed to Label Studio.")
        prepared = self._pusher.prepare(record) if self._pusher else None
        if prepared is None or prepared.push is None:
            missing = "API_KEY" if prepared else "URL"
            raise _NotConfigured(
                "Pushes to Label Studio are off on this server.",
                problem=f"SEEWHY_LABEL_STUDIO_{missing} is not set",
            )
        return partial(_push, prepared.subject, prepared.push, record.job_id)

    def _put_off(self, delivery: Delivery, error: _NotConfigured) -> Attempt:
        if error.problem not in self._problems:
            self._problems.add(error.problem)
            _log.warning(
                "%s: what needs it, such as the outcome of %s, waits for a dispatcher with other "
                "settings, until the outcome expires. That costs no attempt",
                error.problem,
                delivery.subject_id,
            )
        return Attempt(
            delivery,
            DeliveryResult.NOT_ATTEMPTED,
            str(error),
            retry_in_ms=CONFIGURATION_DELAY_MS,
        )

    def _to_attempt(self, delivery: Delivery, response: WebhookResponse) -> Attempt:
        """Schedule the next attempt, or give up after the last."""
        if response.result is not DeliveryResult.RETRY:
            return Attempt(delivery, response.result, response.detail)
        delay_ms = retry_delay_ms(
            delivery.attempt, retry_after_s=response.retry_after_s, delays_s=self._delays_s
        )
        if delay_ms is None:
            return Attempt(delivery, DeliveryResult.EXHAUSTED, response.detail)
        return Attempt(delivery, DeliveryResult.RETRY, response.detail, retry_in_ms=delay_ms)

    def _pause_ms(self, results: Sequence[_Result]) -> int:
        """Return how long to leave the origin alone: it asks for a pause, or it is unreachable.

        One answer is enough to continue: clients may share an origin, and a receiver that hangs
        must not stop the others. An exhausted delivery counts with the last delay of the schedule.
        """
        last_delay_ms = round(1000 * self._delays_s[-1])
        answered = [(attempt, response) for attempt, response in results if response]
        unreachable = all(response.unreachable for _, response in answered)
        pauses_ms = [
            attempt.retry_in_ms if attempt.result is DeliveryResult.RETRY else last_delay_ms
            for attempt, response in answered
            if unreachable or response.retry_after_s is not None
        ]
        return min(max(pauses_ms, default=0), MAX_PAUSE_MS)


def _push(subject: str, push: Callable[[], Pushed], job_id: str) -> WebhookResponse:
    """Push a prediction or an agreement: the `subject`. Raises `_NotConfigured`.

    A status is that of an answer, so that one task pauses no others. What cannot be made, because
    the model is gone or a document is invalid, is refused at once: no later attempt would succeed.
    """
    made = "measured" if subject == "agreement" else "made"
    try:
        pushed = push()
    except ApiKeyRefused as error:
        message = "Label Studio refuses the access token of this server."
        raise _NotConfigured(message, problem=str(error).rstrip(".")) from error
    except LabelStudioError as error:
        detail = f"Label Studio has not taken the {subject}. The operator's log has the reason."
        return WebhookResponse(DeliveryResult.RETRY, detail, status=error.status, reason=str(error))
    except (Overloaded, Unavailable) as error:
        return WebhookResponse(
            DeliveryResult.RETRY,
            f"The {subject} could not be {made} yet. The operator's log has the reason.",
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            reason=str(error),
        )
    except (InvalidRequest, LookupError, ValueError):
        _log.exception("The %s of %s cannot be %s", subject, job_id, made)
        detail = f"The {subject} cannot be {made}."
        return WebhookResponse(DeliveryResult.REFUSED, detail, status=HTTPStatus.OK)
    result = DeliveryResult.REFUSED if pushed.is_refused else DeliveryResult.DELIVERED
    return WebhookResponse(result, pushed.detail, status=HTTPStatus.OK)
