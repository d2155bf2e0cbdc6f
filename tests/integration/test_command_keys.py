"""The API key that `seewhy explain` and `seewhy trust` send."""

import pytest

from seewhy.cli.terminal import service
from seewhy.cli.terminal.service import connect_or_start
from seewhy.client import RequestRejected
from servers.scripted import Response, scripted

MODELS = Response(body={"models": [], "default": "vgg16"})
REFUSED = Response(401, {"code": "unauthenticated", "detail": "Send an API key."})


def sent_header(*, key: str | None) -> str | None:
    with scripted(MODELS) as server:
        with connect_or_start(server.url, key=key, model=None) as client:
            client.models()
        [request] = server.requests
    return request.headers.get("authorization")


def test_the_key_of_the_command_precedes_the_key_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sent_header(key=None) is None
    monkeypatch.setenv("SEEWHY_KEY", "of-the-settings")
    assert sent_header(key=None) == "Bearer of-the-settings"
    assert sent_header(key="of-the-command") == "Bearer of-the-command"


def test_a_local_service_that_requires_a_key_is_used_and_its_refusal_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A temporary service in its place would hide what is wrong."""
    with scripted(REFUSED, REFUSED) as server:
        monkeypatch.setattr(service, "DEFAULT_URL", server.url)
        with (
            connect_or_start(None, key=None, model=None) as client,
            pytest.raises(RequestRejected, match="Send an API key"),
        ):
            client.models()
