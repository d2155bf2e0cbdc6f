"""Taking turns at origins: post what is due there, and report what came of it."""

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
        """Post on the threads of `helpers`; `delays_s` are the waits before each attempt."""
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
        """Post in rounds; an origin that cannot be reached, or asks to wait, is left alone."""
        tried: list[Tried] = []
        pause_ms = 0
        for start in range(0, len(turn.notices), AT_ONCE):
            if pause_ms or self._stopping.is_set():
                break
            batch = turn.notices[start : start + AT_ONCE]
            answers = list(self._helpers.map(self._post, batch))
            tried += [self._judge(n, a) for n, a in zip(batch, answers, strict=True)]
            pause_ms = max(map(self._pause_ms, batch, answers))
        untried = [Tried(notice, Verdict.UNTRIED) for notice in turn.notices[len(tried) :]]
        self._outbox.report(turn, tried + untried, pause_ms=pause_ms)
        return len(tried)

    def _post(self, notice: Notice) -> Answer:
        webhook = notice.record.webhook
        if webhook is None:
            raise ValueError(f"job {notice.record.job_id} has no webhook")
        body = body_of(notice.record)
        message = f"msg_{notice.record.job_id}"
        headers = self._signer.headers(message, body, now_ms=self._now_ms())
        return self._postman.post(Post(webhook.url, body, headers))

    def _judge(self, notice: Notice, answer: Answer) -> Tried:
        if answer.fate is Fate.DELIVERED:
            return Tried(notice, Verdict.DELIVERED, answer.reason)
        if answer.fate is Fate.UNWANTED:
            return Tried(notice, Verdict.REFUSED, answer.reason)
        wait_ms = self._wait_ms(notice, answer)
        if wait_ms is None:
            return Tried(notice, Verdict.EXHAUSTED, answer.reason)
        return Tried(notice, Verdict.RETRY, answer.reason, retry_in_ms=wait_ms)

    def _pause_ms(self, notice: Notice, answer: Answer) -> int:
        if not answer.unreachable and answer.retry_after_s is None:
            return 0
        return min(self._wait_ms(notice, answer) or LONGEST_PAUSE_MS, LONGEST_PAUSE_MS)

    def _wait_ms(self, notice: Notice, answer: Answer) -> int | None:
        return delay_ms(notice.attempt, retry_after_s=answer.retry_after_s, delays_s=self._delays_s)
