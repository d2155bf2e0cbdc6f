"""The webhook dispatcher over the memory ledger, with scripted responses."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger_harness import MemoryHarness
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.types import (
    Attempt,
    Completion,
    DeliveryState,
    OriginLease,
    Submission,
    WebhookStatus,
    lane_of,
    lanes_of,
)
from seewhy.monitoring.tracing import Tracing
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority
from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.dispatcher import (
    CONFIGURATION_DELAY_MS,
    LEASE_LIMIT,
    MAX_PAUSE_MS,
    REQUESTS_PER_ORIGIN,
    WebhookDispatcher,
)
from seewhy_api.webhooks.signing import Signer
from servers.scripted_webhook_client import (
    GONE,
    NO_ANSWER,
    OK,
    SERVER_ERROR,
    ScriptedWebhookClient,
    job_id_of,
    too_many_requests,
)
from span_recorder import SpanRecorder, trace_of, traceparent

LANE = lane_of("vgg16", Priority.INTERACTIVE)
URL = "https://hooks.test/seewhy"
JOB = json.dumps({"model": "vgg16", "method": "gradcam", "metadata": {"task": 7}})
SECRET = generate_secret()
DELAYS_S = (0, 5, 300)


class DispatcherHarness:
    """A dispatcher over a memory ledger with a manual clock."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.ledgers = MemoryHarness()
        self.client = ScriptedWebhookClient()
        self.executor = executor
        self.dispatcher = self.create_dispatcher(Signer([SECRET]))

    def create_dispatcher(
        self, signer: Signer | None, tracing: Tracing | None = None
    ) -> WebhookDispatcher:
        return WebhookDispatcher(
            outbox=self.ledgers.outbox,
            client=self.client,  # type: ignore[arg-type]
            signer=signer,
            executor=self.executor,
            delays_s=DELAYS_S,
            tracing=tracing,
            now_ms=lambda: self.ledgers.now_ms,
        )

    def finish(self, *job_ids: str, url: str = URL, job: str = JOB, **fields: Any) -> None:
        for job_id in job_ids:
            self.ledgers.ledger.submit(Submission(job_id, LANE, job, webhook_url=url, **fields))
            (claim,) = self.ledgers.ledger.claim(lanes_of("vgg16"), owner="w", limit=1)
            self.ledgers.ledger.complete([Completion(claim, "r")])

    def webhook(self, job_id: str) -> WebhookStatus:
        record = self.ledgers.ledger.read(job_id)
        assert record is not None
        assert record.webhook is not None
        return record.webhook

    def sent(self) -> list[str]:
        return sorted(map(job_id_of, self.client.requests))

    def wait(self, delay_s: float) -> None:
        """Advance the clock by a delay with its largest possible jitter."""
        self.ledgers.advance(round(delay_s * 1_100) + 1)


@pytest.fixture
def harness() -> Iterator[DispatcherHarness]:
    with ThreadPoolExecutor(REQUESTS_PER_ORIGIN) as executor:
        yield DispatcherHarness(executor)


def test_a_delivery_is_part_of_the_trace_of_its_request(harness: DispatcherHarness) -> None:
    recorder = SpanRecorder()
    harness.dispatcher = harness.create_dispatcher(Signer([SECRET]), recorder.tracing)
    context = RequestContext(traceparent=traceparent(7))
    harness.finish("a", context=context)
    harness.dispatcher.deliver()
    (span,) = recorder.named("deliver")
    assert trace_of(span) == 7
    assert dict(span.attributes or {}) == {"seewhy.attempt": 1, "seewhy.result": "delivered"}


def test_an_outcome_is_delivered_once_and_signed(harness: DispatcherHarness) -> None:
    harness.finish("a")
    assert harness.dispatcher.deliver() == 1
    [request] = harness.client.requests
    assert request.url == URL
    assert json.loads(request.body)["data"]["metadata"] == {"task": 7}
    assert request.headers["webhook-id"] == "msg_a"
    assert int(request.headers["webhook-timestamp"]) == harness.ledgers.now_ms // 1000
    assert harness.webhook("a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, attempts=1, detail="The receiver answered 200."
    )
    harness.ledgers.advance(10_000_000)
    assert harness.dispatcher.deliver() == 0


def test_a_410_ends_the_delivery(harness: DispatcherHarness) -> None:
    harness.client.default = GONE
    harness.finish("a")
    assert harness.dispatcher.deliver() == 1
    assert harness.webhook("a").state is DeliveryState.REFUSED
    harness.ledgers.advance(10_000_000)
    assert harness.dispatcher.deliver() == 0


def test_a_failed_delivery_is_retried_on_schedule_and_then_exhausted(
    harness: DispatcherHarness,
) -> None:
    harness.client.default = SERVER_ERROR
    harness.finish("a")
    for attempt, delay_s in enumerate(DELAYS_S[1:], 1):
        assert harness.dispatcher.deliver() == 1
        assert harness.webhook("a") == WebhookStatus(
            URL, DeliveryState.PENDING, attempt, "The receiver answered 500."
        )
        harness.ledgers.advance(delay_s * 1_000 - 1)
        assert harness.dispatcher.deliver() == 0, "too early"
        harness.wait(delay_s)
    assert harness.dispatcher.deliver() == 1
    assert harness.webhook("a") == WebhookStatus(
        URL, DeliveryState.EXHAUSTED, 3, "The receiver answered 500."
    )
    harness.ledgers.advance(10_000_000)
    assert harness.dispatcher.deliver() == 0
    assert [record.job_id for record in harness.ledgers.outbox.list_undelivered()] == ["a"]


def test_every_attempt_sends_the_same_message_with_a_new_signature(
    harness: DispatcherHarness,
) -> None:
    harness.client.default = SERVER_ERROR
    harness.finish("a")
    for delay_s in (*DELAYS_S[1:], 0):
        harness.dispatcher.deliver()
        harness.wait(delay_s)
    first, *others = harness.client.requests
    assert len(others) == 2
    for request in others:
        assert (request.url, request.body) == (first.url, first.body)
        assert request.headers["webhook-id"] == first.headers["webhook-id"]
        assert request.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
        assert request.headers["webhook-signature"] != first.headers["webhook-signature"]


def test_an_unreachable_origin_is_not_charged_for_the_rest_of_the_lease(
    harness: DispatcherHarness,
) -> None:
    harness.client.default = NO_ANSWER
    jobs = [f"job{n:02}" for n in range(REQUESTS_PER_ORIGIN + 4)]
    harness.finish(*jobs[:10])
    harness.finish(*jobs[10:])
    assert harness.dispatcher.deliver() == REQUESTS_PER_ORIGIN
    assert harness.sent() == jobs[:REQUESTS_PER_ORIGIN]
    assert [harness.webhook(job).attempts for job in jobs] == [1] * REQUESTS_PER_ORIGIN + [0] * 4
    harness.ledgers.advance(4_999)
    assert harness.dispatcher.deliver() == 0, "the origin is paused"
    harness.client.default = OK
    harness.wait(5)
    assert harness.dispatcher.deliver() == len(jobs)
    assert {harness.webhook(job).state for job in jobs} == {DeliveryState.DELIVERED}


def test_an_exhausted_delivery_pauses_its_unreachable_origin_for_the_last_delay(
    harness: DispatcherHarness,
) -> None:
    harness.client.default = NO_ANSWER
    harness.dispatcher._delays_s = (0, 7)
    harness.finish("a")
    harness.dispatcher.deliver()
    harness.wait(7)
    harness.finish("b")
    harness.dispatcher.deliver()
    assert [harness.webhook(job).state for job in "ab"] == [
        DeliveryState.EXHAUSTED,
        DeliveryState.PENDING,
    ]
    harness.finish("c")
    harness.ledgers.advance(6_999)
    assert harness.dispatcher.deliver() == 0
    harness.wait(7)
    assert harness.dispatcher.deliver() == 2


def test_one_answer_in_a_batch_keeps_the_origin_open(harness: DispatcherHarness) -> None:
    """Clients may share an origin: one receiver that hangs must not stop the others."""
    harness.client.responses["job00"] = [NO_ANSWER]
    jobs = [f"job{n:02}" for n in range(REQUESTS_PER_ORIGIN + 4)]
    harness.finish(*jobs[:10])
    harness.finish(*jobs[10:])
    assert harness.dispatcher.deliver() == len(jobs)
    assert harness.webhook("job00").state is DeliveryState.PENDING
    assert {harness.webhook(job).state for job in jobs[1:]} == {DeliveryState.DELIVERED}


@pytest.mark.parametrize(("retry_after_s", "pause_ms"), [(30, 30_000), (3_600, MAX_PAUSE_MS)])
def test_retry_after_pauses_the_origin_and_delays_the_delivery(
    harness: DispatcherHarness, retry_after_s: int, pause_ms: int
) -> None:
    harness.client.responses["a"] = [too_many_requests(retry_after_s), OK]
    harness.finish("a")
    harness.dispatcher.deliver()
    harness.finish("b")
    harness.ledgers.advance(pause_ms - 1)
    assert harness.dispatcher.deliver() == 0
    harness.ledgers.advance(round(pause_ms * 0.1) + 1)
    harness.dispatcher.deliver()
    assert harness.webhook("b").state is DeliveryState.DELIVERED
    harness.wait(retry_after_s)
    harness.dispatcher.deliver()
    assert harness.webhook("a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, 2, "The receiver answered 200."
    )


def test_a_stopped_dispatcher_returns_the_deliveries_that_it_has_not_sent(
    harness: DispatcherHarness,
) -> None:
    jobs = [f"job{n:02}" for n in range(10)]
    harness.finish(*jobs)
    harness.client.on_send = harness.dispatcher.stop
    assert harness.dispatcher.deliver() == REQUESTS_PER_ORIGIN
    assert harness.sent() == jobs[:REQUESTS_PER_ORIGIN], "the current batch is finished"
    assert [harness.webhook(job).attempts for job in jobs[REQUESTS_PER_ORIGIN:]] == [0, 0]
    assert harness.dispatcher.deliver() == 0
    lease = harness.ledgers.outbox.lease_origin(limit=LEASE_LIMIT)
    assert lease is not None
    assert [n.subject_id for n in lease.deliveries] == jobs[REQUESTS_PER_ORIGIN:]


def test_one_call_delivers_to_several_origins(harness: DispatcherHarness) -> None:
    for n in range(5):
        harness.finish(f"job{n}", url=f"https://host{n}.test/")
    assert harness.dispatcher.deliver() == 5


def test_an_unexpected_error_affects_one_delivery_only(harness: DispatcherHarness) -> None:
    harness.client.responses["b"] = [RuntimeError("can't start new thread"), OK]
    harness.finish("a", "b", "c")
    assert harness.dispatcher.deliver() == 3
    assert [harness.webhook(job).state for job in "ac"] == [DeliveryState.DELIVERED] * 2
    assert harness.webhook("b").state is DeliveryState.PENDING
    assert "could not be sent" in (harness.webhook("b").detail or "")
    assert "thread" not in (harness.webhook("b").detail or ""), "the error text stays internal"
    harness.wait(5)
    harness.dispatcher.deliver()
    assert harness.webhook("b").state is DeliveryState.DELIVERED


@pytest.mark.parametrize("job", ["", "[]", "{}", "nonsense", '{"model": "m", "method": "x"}'])
def test_a_delivery_with_an_invalid_record_is_exhausted_at_once(
    harness: DispatcherHarness, job: str
) -> None:
    harness.finish("a")
    harness.finish("broken", job=job)
    harness.finish("c")
    assert harness.dispatcher.deliver() == 3
    assert harness.sent() == ["a", "c"]
    assert [harness.webhook(job).state for job in "ac"] == [DeliveryState.DELIVERED] * 2
    assert harness.webhook("broken").state is DeliveryState.EXHAUSTED
    assert harness.webhook("broken").detail == "The record cannot be read."
    assert harness.dispatcher.deliver() == 0


def test_a_delivery_that_kills_every_dispatcher_is_exhausted_without_being_sent(
    harness: DispatcherHarness,
) -> None:
    harness.finish("a")
    for _ in DELAYS_S:
        assert harness.ledgers.outbox.lease_origin(limit=LEASE_LIMIT), (
            "a dispatcher leased it, and died"
        )
        harness.ledgers.advance(harness.ledgers.memory._state.policy.origin_lease_ms)
    harness.dispatcher.deliver()
    assert harness.client.requests == []
    assert harness.webhook("a").state is DeliveryState.EXHAUSTED


class InterruptedOutbox:
    """An outbox whose first reports fail."""

    def __init__(self, harness: DispatcherHarness, times: int) -> None:
        self._outbox = harness.ledgers.outbox
        self._times = times
        self.lease_origin = self._outbox.lease_origin

    def report(self, lease: OriginLease, attempts: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        if self._times:
            self._times -= 1
            raise LedgerUnavailable("Redis does not respond.")
        self._outbox.report(lease, attempts, pause_ms=pause_ms)


@pytest.mark.parametrize(
    ("url", "setting", "detail"),
    [
        (URL, "SEEWHY_WEBHOOK_SECRETS", "Webhooks are off on this server."),
        (
            "labelstudio://127.0.0.1/tasks/1",
            "SEEWHY_LABEL_STUDIO_URL",
            "Pushes to Label Studio are off on this server.",
        ),
    ],
    ids=["a webhook", "a push"],
)
def test_a_missing_setting_exhausts_no_delivery_and_the_log_names_it_once(
    harness: DispatcherHarness,
    caplog: pytest.LogCaptureFixture,
    url: str,
    setting: str,
    detail: str,
) -> None:
    unconfigured = harness.create_dispatcher(None)
    harness.finish("a", url=url)
    for _ in range(2 * len(DELAYS_S)):
        assert unconfigured.deliver() == 0
        assert harness.webhook("a") == WebhookStatus(url, DeliveryState.PENDING, 0, detail)
        harness.ledgers.advance(CONFIGURATION_DELAY_MS)
    assert [record.message.partition(" ")[0] for record in caplog.records] == [setting]
    assert harness.client.requests == []
    if url == URL:
        assert harness.dispatcher.deliver() == 1
        assert harness.webhook("a").state is DeliveryState.DELIVERED


def test_an_unreported_delivery_is_sent_again_with_the_same_id(harness: DispatcherHarness) -> None:
    harness.finish("a")
    harness.dispatcher._outbox = InterruptedOutbox(harness, 1)  # type: ignore[assignment]
    with pytest.raises(LedgerUnavailable):
        harness.dispatcher.deliver()
    assert harness.dispatcher.deliver() == 0, "the origin is still leased"
    harness.ledgers.advance(harness.ledgers.memory._state.policy.origin_lease_ms)
    assert harness.dispatcher.deliver() == 1
    first, second = harness.client.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert harness.webhook("a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, 2, "The receiver answered 200."
    )


def test_the_report_of_an_expired_lease_changes_nothing(harness: DispatcherHarness) -> None:
    harness.finish("a")
    harness.client.responses["a"] = [GONE, OK]

    def let_the_lease_expire() -> None:
        harness.client.on_send = lambda: None
        harness.ledgers.advance(harness.ledgers.memory._state.policy.origin_lease_ms)
        leased.append(harness.ledgers.outbox.lease_origin(limit=LEASE_LIMIT))

    leased: list[OriginLease | None] = []
    harness.client.on_send = let_the_lease_expire
    assert harness.dispatcher.deliver() == 1
    assert leased != [None]
    assert harness.webhook("a").state is DeliveryState.PENDING, (
        "the expired lease's 410 does not count"
    )
