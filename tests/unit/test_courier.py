"""A courier's turns, over the ledger's twin, to receivers that answer from a script."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledgers.bench import MemoryBench
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.outbox import Attempt, OriginLease
from seewhy.ledger.types import (
    Completion,
    DeliveryState,
    Submission,
    WebhookStatus,
    lane_of,
    lanes_of,
)
from seewhy.schemas.job import Priority
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy_api.webhooks.dispatcher import AT_ONCE, LONGEST_PAUSE_MS, TURN, WebhookDispatcher
from seewhy_api.webhooks.signing import Signer
from servers.postman import BUSY, GONE, OK, SILENT, ScriptedPostman, asks_to_wait, told

LANE = lane_of("vgg16", Priority.INTERACTIVE)
URL = "https://hooks.test/seewhy"
JOB = json.dumps({"model": "vgg16", "method": "gradcam", "metadata": {"task": 7}})
SECRET = generate_secret()
DELAYS_S = (0, 5, 300)


class House:
    """A ledger whose clock is turned by hand, a courier and its postman."""

    def __init__(self, helpers: ThreadPoolExecutor) -> None:
        self.bench = MemoryBench()
        self.postman = ScriptedPostman()
        self.courier = WebhookDispatcher(
            outbox=self.bench.outbox,
            postman=self.postman,  # type: ignore[arg-type]
            signer=Signer([SECRET]),
            helpers=helpers,
            delays_s=DELAYS_S,
            now_ms=lambda: self.bench.now_ms,
        )

    def end(self, *job_ids: str, url: str = URL, job: str = JOB) -> None:
        for job_id in job_ids:
            self.bench.ledger.submit(Submission(job_id, LANE, job, webhook=url))
            (claim,) = self.bench.ledger.claim(lanes_of("vgg16"), owner="w", limit=1)
            self.bench.ledger.complete([Completion(claim, "r")])

    def webhook(self, job_id: str) -> WebhookStatus:
        record = self.bench.ledger.read(job_id)
        assert record is not None
        assert record.webhook is not None
        return record.webhook

    def told(self) -> list[str]:
        return sorted(map(told, self.postman.posts))

    def wait(self, least_s: float) -> None:
        """Let as much time go by as a wait of `least_s` can take with all its jitter."""
        self.bench.tick(round(least_s * 1_100) + 1)


@pytest.fixture
def house() -> Iterator[House]:
    with ThreadPoolExecutor(AT_ONCE) as helpers:
        yield House(helpers)


def test_an_outcome_is_posted_once_signed_to_where_its_client_said(house: House) -> None:
    house.end("a")
    assert house.courier.deliver() == 1
    [post] = house.postman.posts
    assert post.url == URL
    assert json.loads(post.body)["data"]["metadata"] == {"task": 7}
    assert post.headers["webhook-id"] == "msg_a"
    assert int(post.headers["webhook-timestamp"]) == house.bench.now_ms // 1000
    assert house.webhook("a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, attempts=1, detail="answered 200"
    )
    house.bench.tick(10_000_000)
    assert house.courier.deliver() == 0


def test_a_receiver_that_wants_nothing_more_is_not_asked_again(house: House) -> None:
    house.postman.default = GONE
    house.end("a")
    assert house.courier.deliver() == 1
    assert house.webhook("a").state is DeliveryState.REFUSED
    house.bench.tick(10_000_000)
    assert house.courier.deliver() == 0


def test_what_fails_is_tried_by_the_schedule_until_that_is_over(house: House) -> None:
    house.postman.default = BUSY
    house.end("a")
    for attempt, delay_s in enumerate(DELAYS_S[1:], 1):
        assert house.courier.deliver() == 1
        assert house.webhook("a") == WebhookStatus(
            URL, DeliveryState.PENDING, attempt, "answered 500"
        )
        house.bench.tick(delay_s * 1_000 - 1)
        assert house.courier.deliver() == 0, "it came back too soon"
        house.wait(delay_s)
    assert house.courier.deliver() == 1
    assert house.webhook("a") == WebhookStatus(URL, DeliveryState.EXHAUSTED, 3, "answered 500")
    house.bench.tick(10_000_000)
    assert house.courier.deliver() == 0
    assert [record.job_id for record in house.bench.outbox.list_undelivered()] == ["a"]


def test_every_attempt_is_the_same_message_with_a_signature_of_its_own_time(house: House) -> None:
    house.postman.default = BUSY
    house.end("a")
    for delay_s in (*DELAYS_S[1:], 0):
        house.courier.deliver()
        house.wait(delay_s)
    first, *others = house.postman.posts
    assert len(others) == 2
    for post in others:
        assert (post.url, post.body) == (first.url, first.body)
        assert post.headers["webhook-id"] == first.headers["webhook-id"]
        assert post.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
        assert post.headers["webhook-signature"] != first.headers["webhook-signature"]


def test_where_nobody_answers_the_rest_of_the_turn_is_not_tried_nor_charged(house: House) -> None:
    house.postman.default = SILENT
    jobs = [f"job{n:02}" for n in range(AT_ONCE + 4)]
    house.end(*jobs[:10])
    house.end(*jobs[10:])
    assert house.courier.deliver() == AT_ONCE
    assert house.told() == jobs[:AT_ONCE]
    assert [house.webhook(job).attempts for job in jobs] == [1] * AT_ONCE + [0] * 4
    house.bench.tick(4_999)
    assert house.courier.deliver() == 0, "the origin is left alone for the wait of its first rows"
    house.postman.default = OK
    house.wait(5)
    assert house.courier.deliver() == len(jobs)
    assert {house.webhook(job).state for job in jobs} == {DeliveryState.DELIVERED}


def test_the_last_attempt_of_one_leaves_the_origin_alone_as_long_as_its_last_wait(
    house: House,
) -> None:
    house.postman.default = SILENT
    house.courier._delays_s = (0, 7)
    house.end("a")
    house.courier.deliver()
    house.wait(7)
    house.end("b")
    house.courier.deliver()
    assert [house.webhook(job).state for job in "ab"] == [
        DeliveryState.EXHAUSTED,
        DeliveryState.PENDING,
    ]
    house.end("c")
    house.bench.tick(6_999)
    assert house.courier.deliver() == 0
    house.wait(7)
    assert house.courier.deliver() == 2


def test_one_answer_of_a_round_keeps_the_origin_open_for_the_others(house: House) -> None:
    """Receivers of many clients may share an origin; one that hangs is not to stop them all."""
    house.postman.answers["job00"] = [SILENT]
    jobs = [f"job{n:02}" for n in range(AT_ONCE + 4)]
    house.end(*jobs[:10])
    house.end(*jobs[10:])
    assert house.courier.deliver() == len(jobs)
    assert house.webhook("job00").state is DeliveryState.PENDING
    assert {house.webhook(job).state for job in jobs[1:]} == {DeliveryState.DELIVERED}


@pytest.mark.parametrize(("asked_s", "left_alone_ms"), [(30, 30_000), (3_600, LONGEST_PAUSE_MS)])
def test_an_origin_that_asks_to_be_left_alone_is_and_its_message_waits_as_long_as_asked(
    house: House, asked_s: int, left_alone_ms: int
) -> None:
    house.postman.answers["a"] = [asks_to_wait(asked_s), OK]
    house.end("a")
    house.courier.deliver()
    house.end("b")
    house.bench.tick(left_alone_ms - 1)
    assert house.courier.deliver() == 0
    house.bench.tick(round(left_alone_ms * 0.1) + 1)
    house.courier.deliver()
    assert house.webhook("b").state is DeliveryState.DELIVERED
    house.wait(asked_s)
    house.courier.deliver()
    assert house.webhook("a") == WebhookStatus(URL, DeliveryState.DELIVERED, 2, "answered 200")


def test_a_courier_told_to_stop_posts_no_more_and_gives_the_rest_back(house: House) -> None:
    jobs = [f"job{n:02}" for n in range(10)]
    house.end(*jobs)
    house.postman.meanwhile = house.courier.stop
    assert house.courier.deliver() == AT_ONCE
    assert house.told() == jobs[:AT_ONCE], "the round under way is finished"
    assert [house.webhook(job).attempts for job in jobs[AT_ONCE:]] == [0, 0]
    assert house.courier.deliver() == 0
    turn = house.bench.outbox.lease_origin(limit=TURN)
    assert turn is not None
    assert [n.record.job_id for n in turn.notices] == jobs[AT_ONCE:]


def test_several_origins_are_served_one_after_the_other_by_one_caller(house: House) -> None:
    for n in range(5):
        house.end(f"job{n}", url=f"https://host{n}.test/")
    assert house.courier.deliver() == 5


def test_a_post_that_breaks_the_postman_costs_the_others_nothing(house: House) -> None:
    house.postman.answers["b"] = [RuntimeError("can't start new thread"), OK]
    house.end("a", "b", "c")
    assert house.courier.deliver() == 3
    assert [house.webhook(job).state for job in "ac"] == [DeliveryState.DELIVERED] * 2
    assert house.webhook("b").state is DeliveryState.PENDING
    assert "could not be posted" in (house.webhook("b").detail or "")
    assert "thread" not in (house.webhook("b").detail or ""), "our insides are nobody's business"
    house.wait(5)
    house.courier.deliver()
    assert house.webhook("b").state is DeliveryState.DELIVERED


@pytest.mark.parametrize("job", ["", "[]", "{}", "nonsense", '{"model": "m", "method": "x"}'])
def test_a_record_that_cannot_be_read_is_given_up_at_once_and_alone(house: House, job: str) -> None:
    house.end("a")
    house.end("broken", job=job)
    house.end("c")
    assert house.courier.deliver() == 3
    assert house.told() == ["a", "c"]
    assert [house.webhook(job).state for job in "ac"] == [DeliveryState.DELIVERED] * 2
    assert house.webhook("broken").state is DeliveryState.EXHAUSTED
    assert house.webhook("broken").detail == "the job's record cannot be read"
    assert house.courier.deliver() == 0


def test_a_message_that_every_courier_dies_of_is_given_up_after_its_last_attempt(
    house: House,
) -> None:
    house.end("a")
    for _ in DELAYS_S:
        assert house.bench.outbox.lease_origin(limit=TURN), "a courier took it, and died"
        house.bench.tick(house.bench.twin._book.policy.turn_ms)
    house.courier.deliver()
    assert house.postman.posts == []
    assert house.webhook("a").state is DeliveryState.EXHAUSTED


class CutOff:
    """An outbox that is away when a turn is to be reported."""

    def __init__(self, house: House, times: int) -> None:
        self._outbox = house.bench.outbox
        self._times = times
        self.lease_origin = self._outbox.lease_origin

    def report(self, turn: OriginLease, tried: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        if self._times:
            self._times -= 1
            raise LedgerUnavailable("away")
        self._outbox.report(turn, tried, pause_ms=pause_ms)


def test_what_could_not_be_reported_is_told_again_under_the_same_id(house: House) -> None:
    house.end("a")
    house.courier._outbox = CutOff(house, 1)  # type: ignore[assignment]
    with pytest.raises(LedgerUnavailable):
        house.courier.deliver()
    assert house.courier.deliver() == 0, "the turn is still somebody's"
    house.bench.tick(house.bench.twin._book.policy.turn_ms)
    assert house.courier.deliver() == 1
    first, second = house.postman.posts
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert house.webhook("a") == WebhookStatus(URL, DeliveryState.DELIVERED, 2, "answered 200")


def test_the_report_of_a_turn_that_was_slept_through_changes_nothing(house: House) -> None:
    house.end("a")
    house.postman.answers["a"] = [GONE, OK]

    def oversleep() -> None:
        house.postman.meanwhile = lambda: None
        house.bench.tick(house.bench.twin._book.policy.turn_ms)
        taken.append(house.bench.outbox.lease_origin(limit=TURN))

    taken: list[OriginLease | None] = []
    house.postman.meanwhile = oversleep
    assert house.courier.deliver() == 1
    assert taken != [None]
    assert house.webhook("a").state is DeliveryState.PENDING, "its 410 came too late to count"
