"""`seewhy webhooks`, on a real ledger."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from seewhy.cli.app import app
from seewhy.ids import new_job_id
from seewhy.ledger.ports.outbox import Attempt, DeliveryResult
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Submission
from seewhy.schemas.webhook_secrets import parse_secrets
from seewhy.settings import load
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
    ledger.submit(Submission(job_id, LANE, "{}", webhook=webhook))
    ledger.cancel(job_id)
    return job_id


def give_up_one(ledger: RedisLedger) -> str:
    """Let one outcome's webhook be refused by its receiver."""
    job_id = cancel_one(ledger)
    turn = ledger.outbox.lease_origin(limit=1)
    assert turn is not None
    ledger.outbox.report(
        turn, [Attempt(n, DeliveryResult.REFUSED, "answered 410") for n in turn.notices]
    )
    return job_id


def webhooks(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["webhooks", *arguments], env={"COLUMNS": "200"})


def due(ledger: RedisLedger) -> set[str]:
    turn = ledger.outbox.lease_origin(limit=10)
    return {notice.record.job_id for notice in turn.notices} if turn else set()


def test_a_secret_is_one_that_the_settings_take_and_never_the_same() -> None:
    first, second = (webhooks("secret").output.strip() for _ in range(2))
    assert parse_secrets(f"{first},{second}") == (first, second)
    assert first != second


def test_what_was_given_up_is_listed_with_the_reason(ledger: RedisLedger) -> None:
    job_id = give_up_one(ledger)
    cancel_one(ledger)  # still to be delivered: nobody's business yet
    [_, line] = webhooks("list").output.splitlines()
    assert line.split() == [job_id, "cancelled", URL, "1", "answered", "410"]


def test_a_list_is_as_long_as_asked_for_the_oldest_first(ledger: RedisLedger) -> None:
    jobs = [give_up_one(ledger) for _ in range(3)]
    lines = webhooks("list", "--limit", "2").output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == jobs[:2]


def test_one_outcome_is_told_again(ledger: RedisLedger) -> None:
    job_id, other = give_up_one(ledger), give_up_one(ledger)
    told = webhooks("redeliver", job_id)
    assert (told.exit_code, told.output) == (0, f"{job_id}: due now\n")
    assert due(ledger) == {job_id}
    assert [record.job_id for record in ledger.outbox.list_undelivered()] == [other]


def test_all_that_was_given_up_is_told_again(ledger: RedisLedger) -> None:
    jobs = {give_up_one(ledger) for _ in range(3)}
    assert webhooks("redeliver", "--all").exit_code == 0
    assert due(ledger) == jobs
    assert ledger.outbox.list_undelivered() == []


def test_what_cannot_be_told_is_named_and_the_others_are_told_all_the_same(
    ledger: RedisLedger,
) -> None:
    silent, unknown, known = cancel_one(ledger, webhook=None), new_job_id(), give_up_one(ledger)
    told = webhooks("redeliver", silent, unknown, known)
    assert told.exit_code == 1
    for job_id in (silent, unknown):
        assert f"{job_id}: no webhook, or no outcome" in told.output
    assert due(ledger) == {known}


@pytest.mark.parametrize("arguments", [["redeliver"], ["redeliver", "x", "--all"]])
def test_a_command_that_names_no_choice_or_two_is_refused(
    ledger: RedisLedger, arguments: list[str]
) -> None:
    assert webhooks(*arguments).exit_code == 2
