"""The secrets that sign webhooks."""

import base64

import pytest

from seewhy.webhook_secrets import generate_secret, parse_secrets


def test_secrets_are_split_at_commas() -> None:
    first, second = generate_secret(), generate_secret()
    assert parse_secrets(f" {first}, {second},") == (first, second)


@pytest.mark.parametrize("length", [24, 64])
def test_a_secret_has_24_to_64_bytes(length: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(length)).decode()
    assert parse_secrets(secret) == (secret,)


@pytest.mark.parametrize(
    "text",
    [
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "*" * 44,
        "whsec_" + "A" * 41,
        "whsec_" + "é" * 44,
        "hunter2",
    ],
)
def test_an_invalid_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="secret 2 of 2 is not whsec_") as caught:
        parse_secrets(f"{generate_secret()},{text}")
    assert text not in str(caught.value)


def test_an_empty_list_of_secrets_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no secret"):
        parse_secrets(" , ")
