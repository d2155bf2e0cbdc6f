"""Signatures of webhooks, verified with the specification's own library."""

import time

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.signing import Signer

BODY = b'{"test": 2432232314}'


def test_the_signature_matches_the_specifications_example() -> None:
    signer = Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", BODY, now_ms=1_614_265_330_999)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_during_a_rotation_either_secret_verifies_the_request() -> None:
    old, new = generate_secret(), generate_secret()
    headers = Signer([new, old]).headers("m", BODY, now_ms=round(time.time() * 1000))

    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_secret()).verify(BODY, headers)


def test_a_changed_body_does_not_verify() -> None:
    secret = generate_secret()
    headers = Signer([secret]).headers("m", BODY, now_ms=round(time.time() * 1000))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_a_signer_requires_a_secret() -> None:
    with pytest.raises(ValueError, match="At least one webhook secret"):
        Signer([])
