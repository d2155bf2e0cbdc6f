"""What a dispatcher says and does when it cannot push to Label Studio."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from label_studio_annotations import CHOICE, LOWER_RIGHT, annotate, rectangle, wait_for_empty_inbox
from label_studio_requests import finish, pushed_jobs, replay
from seewhy.errors import StoreUnavailable
from seewhy.ledger.types import WebhookStatus
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.label_studio.agreements import AgreementStore
from seewhy_api.webhooks import dispatcher
from seewhy_api.webhooks.app import create_dispatcher
from seewhy_api.webhooks.retry_policy import DELAYS_S
from servers.label_studio import FakeLabelStudio
from servers.valkey import RedisServer
from servers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("label_studio_project")


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


def deliver(settings: Settings) -> int:
    return create_dispatcher(settings).dispatcher.deliver()


def webhook(settings: Settings, valkey: RedisServer) -> WebhookStatus:
    """Return the state of the only push."""
    (record,) = pushed_jobs(settings, valkey)
    assert record.webhook is not None
    return record.webhook


@pytest.fixture
def ended(client: FlaskClient, settings: Settings) -> None:
    """An annotation whose explanation has ended."""
    annotate(client, CHOICE, rectangle(LOWER_RIGHT))
    wait_for_empty_inbox(settings)
    finish(settings)


@pytest.mark.usefixtures("ended")
def test_an_agreement_that_label_studio_has_not_taken_is_called_one(
    settings: Settings, valkey: RedisServer
) -> None:
    down = settings.model_copy(update={"label_studio_url": "http://127.0.0.1:1"})
    assert deliver(down) == 1
    assert webhook(settings, valkey).detail == (
        "Label Studio has not taken the agreement. The operator's log has the reason."
    )


@pytest.mark.usefixtures("ended")
def test_an_agreement_that_could_not_be_stored_was_not_measured(
    settings: Settings, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("It was a test.")

    monkeypatch.setattr(AgreementStore, "put", fail)
    assert deliver(settings) == 1
    assert webhook(settings, valkey).detail == (
        "The agreement could not be measured yet. The operator's log has the reason."
    )


@pytest.mark.usefixtures("ended")
def test_an_agreement_whose_inputs_are_invalid_cannot_be_measured(
    settings: Settings, valkey: RedisServer
) -> None:
    store = open_store(settings)
    (key,) = store.list_keys("label-studio-pushes/")
    store.put(key, json.dumps({}).encode(), content_type="application/json")
    assert deliver(settings) == 1
    status = webhook(settings, valkey)
    assert (status.state, status.detail) == ("refused", "The agreement cannot be measured.")


def test_a_prediction_waits_for_the_api_key_and_is_not_charged(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    valkey: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(dispatcher, "CONFIGURATION_DELAY_MS", 500)
    replay(client, 25)
    finish(settings)
    keyless = settings.model_copy(update={"label_studio_api_key": None})
    assert deliver(keyless) == 0
    assert "SEEWHY_LABEL_STUDIO_API_KEY is not set" in caplog.text
    status = webhook(settings, valkey)
    assert (status.state, status.attempts) == ("pending", 0)
    assert status.detail == "Pushes to Label Studio are off on this server."
    wait_until(lambda: deliver(settings) == 1, what="the prediction is due again")
    assert webhook(settings, valkey).attempts == 1
    assert [one["task"] for one in studio.predictions] == [5]


def test_predictions_whose_access_token_is_refused_wait_and_are_not_charged(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    valkey: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(dispatcher, "CONFIGURATION_DELAY_MS", 0)
    monkeypatch.setattr(dispatcher, "MAX_PAUSE_MS", 1_000)
    replay(client, 12)
    finish(settings)
    studio.requests.clear()
    revoked = settings.model_copy(update={"label_studio_api_key": SecretStr("revoked.x.y")})
    assert deliver(revoked) == 0  # it returns because it leaves Label Studio alone for a while
    refused = ("POST", "/api/token/refresh")
    assert studio.paths == 3 * [refused]
    monkeypatch.setattr(dispatcher, "MAX_PAUSE_MS", 50)
    wait_until(
        lambda: deliver(revoked) > 0 or studio.paths.count(refused) > 3 * len(DELAYS_S),
        what="more attempts than there are",
    )
    assert "refuses SEEWHY_LABEL_STUDIO_API_KEY (401): what needs it" in caplog.text
    for record in pushed_jobs(settings, valkey):
        assert record.webhook
        assert (record.webhook.state, record.webhook.attempts) == ("pending", 0)
        assert record.webhook.detail == "Label Studio refuses the access token of this server."
    delivered = 0

    def deliver_more() -> bool:
        nonlocal delivered
        delivered += deliver(settings)
        return delivered == 3

    wait_until(deliver_more, what="the predictions are due again")
    assert sorted(one["task"] for one in studio.predictions) == [4, 5, 6]
