"""Taking turns at origins: post what is due there, and report what came of it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from seewhy.ledger.outbox import Notice, Outbox, Tried, Turn, Verdict
from seewhy_api.courier.payload import body_of
from seewhy_api.courier.posting import Answer, Fate, Post, Postman
from seewhy_api.courier.schedule import DELAYS_S, delay_ms
from seewhy_api.courier.signing import Signer

AT_ONCE = 8
"""Posts to one origin at the same time."""

TURN = 4 * AT_ONCE
LONGEST_PAUSE_MS = 60_000

_log = logging.getLogger(__name__)

_Call = tuple[Tried, Answer | None]
"""What is to be reported of a notice, and what its receiver said: None when nothing was sent."""


class Courier:
    """Delivers what the outbox holds. One per process, used by all its threads."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        postman: Postman,
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
            turn = self._outbox.take_turn(limit=TURN)
            if turn is None:
                break
            posts += self._take(turn)
        return posts

    def _take(self, turn: Turn) -> int:
        """Post in rounds; an origin where nobody answers, or that asks to wait, is left alone."""
        tried: list[Tried] = []
        pause_ms = 0
        for start in range(0, len(turn.notices), AT_ONCE):
            if pause_ms or self._stopping.is_set():
                break
            calls = list(self._helpers.map(self._call, turn.notices[start : start + AT_ONCE]))
            tried += [one for one, _ in calls]
            pause_ms = self._pause_ms(calls)
        untried = [Tried(notice, Verdict.UNTRIED) for notice in turn.notices[len(tried) :]]
        self._outbox.report(turn, tried + untried, pause_ms=pause_ms)
        return len(tried)

    def _call(self, notice: Notice) -> _Call:
        """Post one notice and judge. What goes wrong with it costs no other notice its report."""
        job_id = notice.record.job_id
        if notice.attempt > len(self._delays_s):
            # Attempts are charged when a turn is taken: so many couriers have died of this one.
            return Tried(notice, Verdict.EXHAUSTED, "no courier has lived to report on it"), None
        try:
            post = self._write(notice)
        except (ValueError, LookupError, TypeError):
            _log.exception("the outcome of %s will not be told: its record cannot be read", job_id)
            return Tried(notice, Verdict.EXHAUSTED, "the job's record cannot be read"), None
        try:
            answer = self._postman.post(post)
        except Exception:  # noqa: BLE001 - whatever it is, the others of the turn are to be reported
            _log.exception("the outcome of %s could not be posted", job_id)
            answer = Answer(Fate.AGAIN, "it could not be posted: the courier's log says why")
        return self._judge(notice, answer), answer

    def _write(self, notice: Notice) -> Post:
        """Raises `ValueError`, `LookupError` and `TypeError` when the record is broken."""
        webhook = notice.record.webhook
        if webhook is None:
            raise ValueError("it has no webhook")
        body = body_of(notice.record)
        message = f"msg_{notice.record.job_id}"
        headers = self._signer.headers(message, body, now_ms=self._now_ms())
        return Post(webhook.url, body, headers)

    def _judge(self, notice: Notice, answer: Answer) -> Tried:
        if answer.fate is Fate.DELIVERED:
            return Tried(notice, Verdict.DELIVERED, answer.reason)
        if answer.fate is Fate.UNWANTED:
            return Tried(notice, Verdict.REFUSED, answer.reason)
        wait_ms = delay_ms(
            notice.attempt, retry_after_s=answer.retry_after_s, delays_s=self._delays_s
        )
        if wait_ms is None:
            return Tried(notice, Verdict.EXHAUSTED, answer.reason)
        return Tried(notice, Verdict.RETRY, answer.reason, retry_in_ms=wait_ms)

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
            tried.retry_in_ms if tried.verdict is Verdict.RETRY else last_ms
            for tried, answer in heard
            if silent or answer.retry_after_s is not None
        ]
        return min(max(waits_ms, default=0), LONGEST_PAUSE_MS)
