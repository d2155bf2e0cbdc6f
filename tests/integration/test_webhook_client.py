"""The webhook client against real servers, most of which misbehave."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from seewhy.ledger.types import DeliveryResult
from seewhy.webhook_secrets import generate_secret
from seewhy_api.webhooks.client import (
    UNREACHABLE,
    WebhookClient,
    WebhookRequest,
    WebhookResponse,
)
from seewhy_api.webhooks.signing import Signer
from servers.certificates import CertificateAuthority
from servers.receivers import (
    Behavior,
    answer,
    drip,
    flood,
    greet,
    hang,
    hang_up,
    ignore,
    receiving,
    reset,
)
from servers.scripted import Response, scripted

LOOPBACK = [ip_network("127.0.0.0/8")]
BODY = b'{"type":"explanation.succeeded"}'
HOST = "receiver.example"
LONG_TIMEOUT_S = 30.0
SHORT_TIMEOUT_S = 0.5


def resolve_to_loopback(host: str, port: int, limit_s: float) -> list[str]:
    return ["127.0.0.1"]


def send_to(url: str, *, timeout_s: float = LONG_TIMEOUT_S, body: bytes = BODY) -> WebhookResponse:
    client = WebhookClient(networks=LOOPBACK, timeout_s=timeout_s)
    return client.send(WebhookRequest(url, body, {"webhook-id": "m"}))


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@contextmanager
def finishes_early() -> Iterator[None]:
    """Fail when the block takes nearly as long as the servers of these tests block a connection."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 20


def test_a_request_arrives_unchanged_and_its_signature_verifies() -> None:
    secret = generate_secret()
    headers = Signer([secret]).headers("msg_1", BODY, now_ms=round(time.time() * 1000))

    with scripted(Response(200, {"thanks": True})) as server:
        response = WebhookClient(networks=LOOPBACK).send(
            WebhookRequest(f"{server.url}/hook?a=b%20c", BODY, headers)
        )
        [request] = server.requests

    assert response == WebhookResponse(DeliveryResult.DELIVERED, "The receiver answered 200.", 200)
    assert (request.method, request.path, request.body) == ("POST", "/hook?a=b%20c", BODY)
    Webhook(secret).verify(request.body, dict(request.headers))
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["user-agent"] == f"seewhy/{version('seewhy')}"
    assert request.headers["content-type"] == "application/json"
    assert "cookie" not in request.headers


@pytest.mark.parametrize("status", [201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    with scripted(Response(status, b"")) as server:
        assert send_to(server.url) == WebhookResponse(
            DeliveryResult.DELIVERED, f"The receiver answered {status}.", status
        )


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
def test_an_error_status_is_retried_and_the_origin_is_reachable(status: int) -> None:
    with scripted(
        Response(status, b"private data of the receiver", {"Retry-After": "7"})
    ) as server:
        response = send_to(server.url)
    assert response == WebhookResponse(
        DeliveryResult.RETRY, f"The receiver answered {status}.", status
    )
    assert not response.unreachable


def test_a_410_is_refused() -> None:
    with scripted(Response(410)) as server:
        assert send_to(server.url).result is DeliveryResult.REFUSED


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_returned(status: int) -> None:
    with scripted(Response(status, headers={"Retry-After": "120"})) as server:
        assert send_to(server.url) == WebhookResponse(
            DeliveryResult.RETRY, f"The receiver answered {status}.", status, 120.0
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with scripted(Response(200)) as redirect_target:
        for target in (
            "http://169.254.169.254/latest/meta-data/",
            redirect_target.url,
            "/again",
            "file:///",
        ):
            with scripted(Response(status, headers={"Location": target})) as server:
                response = send_to(server.url)
                assert len(server.requests) == 1
            assert (response.result, response.status) == (DeliveryResult.RETRY, status)
        assert redirect_target.requests == []


def test_a_cookie_is_not_kept() -> None:
    client = WebhookClient(networks=LOOPBACK)
    with scripted(Response(200, headers={"Set-Cookie": "a=b"}), Response(200)) as server:
        for _ in range(2):
            client.send(WebhookRequest(server.url, BODY, {}))
        assert "cookie" not in server.requests[1].headers


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    with scripted(Response(200)) as server:
        assert send_to(server.url).result is DeliveryResult.DELIVERED


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "behavior",
    [hang, drip(b""), drip(HEAD + b"X: "), drip(b"HTTP/1.1 100 C\r\n\r\n" + HEAD + b"X: ")],
    ids=["hang", "drip a status", "drip headers", "drip after 100 Continue"],
)
def test_a_missing_answer_times_out(behavior: Behavior) -> None:
    with receiving(behavior) as receiver, finishes_early():
        response = send_to(f"http://127.0.0.1:{receiver.port}/", timeout_s=SHORT_TIMEOUT_S)
        assert response == WebhookResponse(
            DeliveryResult.RETRY, UNREACHABLE, reason="No answer in time."
        )
        assert response.unreachable


def test_a_receiver_that_does_not_read_times_out() -> None:
    with receiving(ignore) as receiver, finishes_early():
        url = f"http://127.0.0.1:{receiver.port}/"
        assert send_to(url, timeout_s=SHORT_TIMEOUT_S, body=bytes(50_000_000)).unreachable


def test_a_missing_tls_handshake_times_out() -> None:
    with receiving(ignore) as receiver, finishes_early():
        response = send_to(f"https://127.0.0.1:{receiver.port}/", timeout_s=SHORT_TIMEOUT_S)
        assert response == WebhookResponse(
            DeliveryResult.RETRY, UNREACHABLE, reason="No answer in time."
        )


@pytest.mark.parametrize("length", [b"", b"Content-Length: 10000000000000\r\n"])
def test_an_endless_body_is_not_read(length: bytes) -> None:
    with receiving(flood(HEAD + length + b"\r\n")) as receiver, finishes_early():
        assert send_to(f"http://127.0.0.1:{receiver.port}/").result is DeliveryResult.DELIVERED
    assert receiver.sent_bytes < 50_000_000


def test_a_dripping_body_is_not_awaited() -> None:
    with receiving(drip(HEAD + b"Content-Length: 1000000\r\n\r\n")) as receiver, finishes_early():
        assert send_to(f"http://127.0.0.1:{receiver.port}/").result is DeliveryResult.DELIVERED


@pytest.mark.parametrize(
    "behavior",
    [
        hang_up,
        reset,
        answer(b"SSH-2.0-OpenSSH_9.9\r\n"),
        answer(b"+PONG\r\n"),
        flood(HEAD + b"X: "),
        answer(HEAD + b"Content-Length: many\r\n\r\n"),
    ],
    ids=["hang up", "reset", "SSH", "Redis", "endless header", "no length"],
)
def test_an_invalid_http_answer_means_unreachable(behavior: Behavior) -> None:
    with receiving(behavior) as receiver, finishes_early():
        response = send_to(f"http://127.0.0.1:{receiver.port}/")
    assert response.result is DeliveryResult.RETRY
    assert response.unreachable
    assert response.detail == UNREACHABLE
    assert "SSH" not in (response.reason or "")


def test_a_refused_connection_means_unreachable(unused_port: int) -> None:
    response = send_to(f"http://127.0.0.1:{unused_port}/")
    assert response == WebhookResponse(
        DeliveryResult.RETRY, UNREACHABLE, reason="The connection was refused."
    )
    assert response.unreachable


def test_a_private_address_is_not_connected_to_by_default() -> None:
    with scripted() as server:
        for url in (server.url, server.url.replace("http:", "https:")):
            response = WebhookClient().send(WebhookRequest(url, BODY, {}))
            assert response == WebhookResponse(
                DeliveryResult.RETRY,
                UNREACHABLE,
                reason="The host name resolves to an address that is not public.",
            )
        assert server.requests == []


def test_a_name_that_is_rebound_between_two_lookups_is_looked_up_once() -> None:
    """The first answer is allowed, the second is not; both have a receiver that would answer."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    client = WebhookClient(networks=[ip_network("127.0.0.1/32")], resolve=lambda *_: answers.pop(0))
    with receiving(answer(HEAD + b"Content-Length: 0\r\n\r\n")) as receiver, finishes_early():
        url = f"http://rebinding.example:{receiver.port}/"
        first, second = (client.send(WebhookRequest(url, BODY, {})) for _ in range(2))
    assert first.result is DeliveryResult.DELIVERED
    assert second.detail == UNREACHABLE
    assert "not public" in (second.reason or "")
    assert (answers, len(receiver.heads)) == ([], 1)


def test_an_invalid_url_is_returned_as_a_retry() -> None:
    response = send_to("https://user@127.0.0.1/")
    assert response == WebhookResponse(
        DeliveryResult.RETRY, "The URL holds credentials; remove them."
    )


def test_tls_and_host_header_use_the_host_name(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    client = WebhookClient(
        networks=LOOPBACK, ssl_context=authority.client_context, resolve=resolve_to_loopback
    )
    with receiving(
        answer(HEAD + b"Content-Length: 0\r\n\r\n"), tls=authority.server_context(HOST, tmp_path)
    ) as receiver:
        response = client.send(WebhookRequest(f"https://{HOST}:{receiver.port}/", BODY, {}))
    assert response.result is DeliveryResult.DELIVERED
    assert receiver.server_names == [HOST]
    assert f"Host: {HOST}:{receiver.port}\r\n".encode() in receiver.heads[0]


@pytest.mark.parametrize(
    ("host", "valid", "trusted", "reason"),
    [
        (HOST, True, False, "unable to get local issuer certificate"),
        (HOST, False, True, "certificate has expired"),
        ("other.example", True, True, "Hostname mismatch"),
    ],
    ids=["unknown authority", "expired", "another host"],
)
def test_nothing_is_sent_to_a_server_with_an_invalid_certificate(
    authority: CertificateAuthority,
    tmp_path: Path,
    host: str,
    valid: bool,
    trusted: bool,
    reason: str,
) -> None:
    ssl_context = authority.client_context if trusted else ssl.create_default_context()
    client = WebhookClient(networks=LOOPBACK, ssl_context=ssl_context, resolve=resolve_to_loopback)
    server_context = authority.server_context(host, tmp_path, valid=valid)

    with receiving(hang, tls=server_context) as receiver:
        response = client.send(WebhookRequest(f"https://{HOST}:{receiver.port}/", BODY, {}))

    assert response.detail == UNREACHABLE
    assert (response.reason or "").startswith("The certificate is not valid: ")
    assert reason in (response.reason or "")
    assert response.unreachable
    assert receiver.heads == []


def test_nothing_is_sent_to_a_server_without_tls() -> None:
    with receiving(greet(b"220 mail.example ESMTP\r\n")) as receiver:
        response = send_to(f"https://127.0.0.1:{receiver.port}/")
    assert response == WebhookResponse(
        DeliveryResult.RETRY, UNREACHABLE, reason="The TLS handshake failed."
    )
    assert receiver.heads == []
