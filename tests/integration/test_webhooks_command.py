"""`seewhy webhooks` with a real ledger."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seewhy.cli.app import app
from seewhy.ids import new_job_id
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Attempt, DeliveryResult, Submission
from seewhy.settings import load
from seewhy.webhook_secrets import parse_secrets
from servers.valkey import RedisServer

LANE = "efficientnet-lite0:batch"
URL = "https://hooks.test/seewhy"


@pytest.fixture
def ledger(valkey: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RedisLedger:
    with valkey.client() as client:
        client.flushall()
    given = {
        "SEEWHY_REDIS_URL": valkey.url,
        "SEEWHY_STORE_URL": f"file://{tmp_path}/objects",
        "SEEWHY_DEFAULT_MODEL": "efficientnet-lite0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return open_ledger(load(given))


def cancel_one(ledger: RedisLedger, webhook: str | None = URL) -> str:
    job_id = new_job_id()
    ledger.submit(Submission(job_id, LANE, "{}", webhook_url=webhook))
    ledger.cancel(job_id)
    return job_id


def refuse_one(ledger: RedisLedger) -> str:
    """Cancel a job whose webhook its receiver refuses; return its id."""
    job_id = cancel_one(ledger)
    lease = ledger.outbox.lease_origin(limit=1)
    assert lease is not None
    ledger.outbox.report(
        lease, [Attempt(n, DeliveryResult.REFUSED, "answered 410") for n in lease.deliveries]
    )
    return job_id


def webhooks(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["webhooks", *arguments], env={"COLUMNS": "200"})


def due(ledger: RedisLedger) -> set[str]:
    lease = ledger.outbox.lease_origin(limit=10)
    return {delivery.subject_id for delivery in lease.deliveries} if lease else set()


def test_generated_secrets_are_valid_and_unique() -> None:
    first, second = (webhooks("secret").output.strip() for _ in range(2))
    assert parse_secrets(f"{first},{second}") == (first, second)
    assert first != second


def test_undelivered_webhooks_are_listed_with_the_reason(ledger: RedisLedger) -> None:
    job_id = refuse_one(ledger)
    cancel_one(ledger)  # still pending
    [_, line] = webhooks("list").output.splitlines()
    assert line.split() == [job_id, "cancelled", URL, "1", "answered", "410"]


def test_the_list_has_at_most_limit_rows_oldest_first(ledger: RedisLedger) -> None:
    jobs = [refuse_one(ledger) for _ in range(3)]
    lines = webhooks("list", "--limit", "2").output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == jobs[:2]


def test_one_webhook_is_redelivered(ledger: RedisLedger) -> None:
    job_id, other = refuse_one(ledger), refuse_one(ledger)
    shown = webhooks("redeliver", job_id)
    assert (shown.exit_code, shown.output) == (0, f"{job_id}: scheduled\n")
    assert due(ledger) == {job_id}
    assert [record.job_id for record in ledger.outbox.list_undelivered()] == [other]


def test_all_undelivered_webhooks_are_redelivered(ledger: RedisLedger) -> None:
    jobs = {refuse_one(ledger) for _ in range(3)}
    assert webhooks("redeliver", "--all").exit_code == 0
    assert due(ledger) == jobs
    assert ledger.outbox.list_undelivered() == []


def test_a_job_without_a_webhook_is_named_and_the_others_are_redelivered(
    ledger: RedisLedger,
) -> None:
    without_webhook, unknown, known = (
        cancel_one(ledger, webhook=None),
        new_job_id(),
        refuse_one(ledger),
    )
    shown = webhooks("redeliver", without_webhook, unknown, known)
    assert shown.exit_code == 1
    for job_id in (without_webhook, unknown):
        assert f"{job_id}: has no webhook, or has not finished" in shown.output
    assert due(ledger) == {known}


@pytest.mark.parametrize("arguments", [["redeliver"], ["redeliver", "x", "--all"]])
def test_ids_or_all_must_be_given_but_not_both(ledger: RedisLedger, arguments: list[str]) -> None:
    assert webhooks(*arguments).exit_code == 2
