"""Taking turns at origins: post what is due there, and report what came of it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from seewhy.ledger.ports.outbox import Attempt, Delivery, DeliveryResult, OriginLease, Outbox
from seewhy_api.webhooks.client import ResponseKind, WebhookClient, WebhookRequest, WebhookResponse
from seewhy_api.webhooks.payload import webhook_body
from seewhy_api.webhooks.retry_policy import DELAYS_S, delay_ms
from seewhy_api.webhooks.signing import Signer

AT_ONCE = 8
"""Posts to one origin at the same time."""

TURN = 4 * AT_ONCE
LONGEST_PAUSE_MS = 60_000

_log = logging.getLogger(__name__)

_Call = tuple[Attempt, WebhookResponse | None]
"""What is to be reported of a notice, and what its receiver said: None when nothing was sent."""


class WebhookDispatcher:
    """Delivers what the outbox holds. One per process, used by all its threads."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        postman: WebhookClient,
        signer: Signer,
        helpers: ThreadPoolExecutor,
        delays_s: Sequence[float] = DELAYS_S,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Post on the threads of `helpers`; `delays_s` are the waits before each attempt.

        A message is given up after as many attempts as there are delays.
        """
        self._outbox = outbox
        self._postman = postman
        self._signer = signer
        self._helpers = helpers
        self._delays_s = delays_s
        self._now_ms = now_ms
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no further turn, and give back what has not been posted."""
        self._stopping.set()

    def deliver(self) -> int:
        """Take turns until nothing is due; return how many posts were made.

        Raises `LedgerUnavailable`: what was not reported by then is due again.
        """
        posts = 0
        while not self._stopping.is_set():
            turn = self._outbox.lease_origin(limit=TURN)
            if turn is None:
                break
            posts += self._take(turn)
        return posts

    def _take(self, turn: OriginLease) -> int:
        """Post in rounds; an origin where nobody answers, or that asks to wait, is left alone."""
        tried: list[Attempt] = []
        pause_ms = 0
        for start in range(0, len(turn.notices), AT_ONCE):
            if pause_ms or self._stopping.is_set():
                break
            calls = list(self._helpers.map(self._call, turn.notices[start : start + AT_ONCE]))
            tried += [one for one, _ in calls]
            pause_ms = self._pause_ms(calls)
        untried = [Attempt(notice, DeliveryResult.UNTRIED) for notice in turn.notices[len(tried) :]]
        self._outbox.report(turn, tried + untried, pause_ms=pause_ms)
        return len(tried)

    def _call(self, notice: Delivery) -> _Call:
        """Post one notice and judge. What goes wrong with it costs no other notice its report."""
        job_id = notice.record.job_id
        if notice.attempt > len(self._delays_s):
            # Attempts are charged when a turn is taken: so many couriers have died of this one.
            return Attempt(
                notice, DeliveryResult.EXHAUSTED, "no courier has lived to report on it"
            ), None
        try:
            post = self._write(notice)
        except (ValueError, LookupError, TypeError):
            _log.exception("the outcome of %s will not be told: its record cannot be read", job_id)
            return Attempt(
                notice, DeliveryResult.EXHAUSTED, "the job's record cannot be read"
            ), None
        try:
            answer = self._postman.post(post)
        except Exception:  # noqa: BLE001 - whatever it is, the others of the turn are to be reported
            _log.exception("the outcome of %s could not be posted", job_id)
            answer = WebhookResponse(
                ResponseKind.AGAIN, "it could not be posted: the courier's log says why"
            )
        return self._judge(notice, answer), answer

    def _write(self, notice: Delivery) -> WebhookRequest:
        """Raises `ValueError`, `LookupError` and `TypeError` when the record is broken."""
        webhook = notice.record.webhook
        if webhook is None:
            raise ValueError("it has no webhook")
        body = webhook_body(notice.record)
        message = f"msg_{notice.record.job_id}"
        headers = self._signer.headers(message, body, now_ms=self._now_ms())
        return WebhookRequest(webhook.url, body, headers)

    def _judge(self, notice: Delivery, answer: WebhookResponse) -> Attempt:
        if answer.fate is ResponseKind.DELIVERED:
            return Attempt(notice, DeliveryResult.DELIVERED, answer.reason)
        if answer.fate is ResponseKind.UNWANTED:
            return Attempt(notice, DeliveryResult.REFUSED, answer.reason)
        wait_ms = delay_ms(
            notice.attempt, retry_after_s=answer.retry_after_s, delays_s=self._delays_s
        )
        if wait_ms is None:
            return Attempt(notice, DeliveryResult.EXHAUSTED, answer.reason)
        return Attempt(notice, DeliveryResult.RETRY, answer.reason, retry_in_ms=wait_ms)

    def _pause_ms(self, calls: Sequence[_Call]) -> int:
        """How long nobody is to call at the origin: it asks for that, or nobody there answers.

        One answer of a round is enough to go on: many clients' receivers may share an origin, and
        one that hangs is not to hold up the others. Whose last attempt it was would have waited
        as long as before.
        """
        last_ms = round(1000 * self._delays_s[-1])
        heard = [(tried, answer) for tried, answer in calls if answer]
        silent = all(answer.unreachable for _, answer in heard)
        waits_ms = [
            tried.retry_in_ms if tried.verdict is DeliveryResult.RETRY else last_ms
            for tried, answer in heard
            if silent or answer.retry_after_s is not None
        ]
        return min(max(waits_ms, default=0), LONGEST_PAUSE_MS)
