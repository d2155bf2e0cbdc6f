"""One webhook to real servers, most of which misbehave."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from seewhy.ledger.ports.outbox import DeliveryResult
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy_api.webhooks.client import WebhookClient, WebhookRequest, WebhookResponse
from seewhy_api.webhooks.signing import Signer
from servers.certificates import Authority
from servers.receivers import (
    Behaviour,
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

NEAR = [ip_network("127.0.0.0/8")]
BODY = b'{"type":"explanation.succeeded"}'
HOST = "receiver.example"
PATIENT_S = 30.0
SHORT_S = 0.5


def here(host: str, port: int, limit_s: float) -> list[str]:
    return ["127.0.0.1"]


def post_to(url: str, *, timeout_s: float = PATIENT_S, body: bytes = BODY) -> WebhookResponse:
    client = WebhookClient(networks=NEAR, timeout_s=timeout_s)
    return client.send(WebhookRequest(url, body, {"webhook-id": "m"}))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextmanager
def soon() -> Iterator[None]:
    """Fail when the block takes as long as a server of these tests would hold a thread."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 20


def test_a_message_arrives_as_it_is_with_a_signature_that_its_receiver_verifies() -> None:
    secret = generate_secret()
    headers = Signer([secret]).headers("msg_1", BODY, now_ms=round(time.time() * 1000))

    with scripted(Response(200, {"thanks": True})) as server:
        response = WebhookClient(networks=NEAR).send(
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
def test_every_2xx_is_a_delivery(status: int) -> None:
    with scripted(Response(status, b"")) as server:
        assert post_to(server.url) == WebhookResponse(
            DeliveryResult.DELIVERED, f"The receiver answered {status}.", status
        )


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
def test_a_failure_is_tried_again_and_is_not_the_ways_fault(status: int) -> None:
    with scripted(Response(status, b"secret of the receiver", {"Retry-After": "7"})) as server:
        response = post_to(server.url)
    assert response == WebhookResponse(
        DeliveryResult.RETRY, f"The receiver answered {status}.", status
    )
    assert not response.unreachable


def test_gone_means_never_again() -> None:
    with scripted(Response(410)) as server:
        assert post_to(server.url).result is DeliveryResult.REFUSED


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_may_ask_to_be_left_alone(status: int) -> None:
    with scripted(Response(status, headers={"Retry-After": "120"})) as server:
        assert post_to(server.url) == WebhookResponse(
            DeliveryResult.RETRY, f"The receiver answered {status}.", status, 120.0
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(status: int) -> None:
    with scripted(Response(200)) as trap:
        for target in ("http://169.254.169.254/latest/meta-data/", trap.url, "/again", "file:///"):
            with scripted(Response(status, headers={"Location": target})) as server:
                response = post_to(server.url)
                assert len(server.requests) == 1
            assert (response.result, response.status) == (DeliveryResult.RETRY, status)
        assert trap.requests == []


def test_a_cookie_is_not_kept() -> None:
    client = WebhookClient(networks=NEAR)
    with scripted(Response(200, headers={"Set-Cookie": "a=b"}), Response(200)) as server:
        for _ in range(2):
            client.send(WebhookRequest(server.url, BODY, {}))
        assert "cookie" not in server.requests[1].headers


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    with scripted(Response(200)) as server:
        assert post_to(server.url).result is DeliveryResult.DELIVERED


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [hang, drip(b""), drip(HEAD + b"X: "), drip(b"HTTP/1.1 100 C\r\n\r\n" + HEAD + b"X: ")],
    ids=["hang", "drip a status", "drip headers", "drip after a promise"],
)
def test_an_answer_that_does_not_come_holds_nobody(behaviour: Behaviour) -> None:
    with receiving(behaviour) as receiver, soon():
        response = post_to(f"http://127.0.0.1:{receiver.port}/", timeout_s=SHORT_S)
        assert response == WebhookResponse(DeliveryResult.RETRY, "No answer in time.")
        assert response.unreachable


def test_a_receiver_that_does_not_read_holds_nobody() -> None:
    with receiving(ignore) as receiver, soon():
        url = f"http://127.0.0.1:{receiver.port}/"
        assert post_to(url, timeout_s=SHORT_S, body=bytes(50_000_000)).unreachable


def test_a_handshake_that_does_not_come_holds_nobody() -> None:
    with receiving(ignore) as receiver, soon():
        response = post_to(f"https://127.0.0.1:{receiver.port}/", timeout_s=SHORT_S)
        assert response == WebhookResponse(DeliveryResult.RETRY, "No answer in time.")


@pytest.mark.parametrize("length", [b"", b"Content-Length: 10000000000000\r\n"])
def test_a_body_is_not_read_however_long_it_is(length: bytes) -> None:
    with receiving(flood(HEAD + length + b"\r\n")) as receiver, soon():
        assert post_to(f"http://127.0.0.1:{receiver.port}/").result is DeliveryResult.DELIVERED
    assert receiver.sent_bytes < 50_000_000


def test_a_body_that_drips_is_not_waited_for() -> None:
    with receiving(drip(HEAD + b"Content-Length: 1000000\r\n\r\n")) as receiver, soon():
        assert post_to(f"http://127.0.0.1:{receiver.port}/").result is DeliveryResult.DELIVERED


@pytest.mark.parametrize(
    "behaviour",
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
def test_what_is_no_http_answer_is_the_ways_fault(behaviour: Behaviour) -> None:
    with receiving(behaviour) as receiver, soon():
        response = post_to(f"http://127.0.0.1:{receiver.port}/")
    assert response.result is DeliveryResult.RETRY
    assert response.unreachable
    assert "SSH" not in response.detail


def test_where_nobody_listens_the_way_is_at_fault(unused_port: int) -> None:
    response = post_to(f"http://127.0.0.1:{unused_port}/")
    assert response == WebhookResponse(DeliveryResult.RETRY, "The connection was refused.")
    assert response.unreachable


def test_an_address_inside_is_not_connected_to_unless_the_operator_allows_it() -> None:
    with scripted() as server:
        for url in (server.url, server.url.replace("http:", "https:")):
            response = WebhookClient().send(WebhookRequest(url, BODY, {}))
            assert response == WebhookResponse(
                DeliveryResult.RETRY, "The host name resolves to an address that is not public."
            )
        assert server.requests == []


def test_a_url_that_no_webhook_goes_to_is_told_and_not_raised() -> None:
    response = post_to("https://user@127.0.0.1/")
    assert response == WebhookResponse(
        DeliveryResult.RETRY, "The URL holds credentials; remove them."
    )


def test_tls_and_host_header_keep_the_name_though_the_address_is_what_was_checked(
    authority: Authority, tmp_path: Path
) -> None:
    client = WebhookClient(networks=NEAR, ssl_context=authority.trust, resolve=here)
    with receiving(
        answer(HEAD + b"Content-Length: 0\r\n\r\n"), tls=authority.server(HOST, tmp_path)
    ) as receiver:
        response = client.send(WebhookRequest(f"https://{HOST}:{receiver.port}/", BODY, {}))
    assert response.result is DeliveryResult.DELIVERED
    assert receiver.names == [HOST]
    assert f"Host: {HOST}:{receiver.port}\r\n".encode() in receiver.heads[0]


@pytest.mark.parametrize(
    ("host", "valid", "known", "why"),
    [
        (HOST, True, False, "unable to get local issuer certificate"),
        (HOST, False, True, "certificate has expired"),
        ("other.example", True, True, "Hostname mismatch"),
    ],
    ids=["unknown authority", "expired", "of another host"],
)
def test_a_bad_certificate_is_sent_nothing(
    authority: Authority, tmp_path: Path, host: str, valid: bool, known: bool, why: str
) -> None:
    trust = authority.trust if known else ssl.create_default_context()
    client = WebhookClient(networks=NEAR, ssl_context=trust, resolve=here)
    tls = authority.server(host, tmp_path, valid=valid)

    with receiving(hang, tls=tls) as receiver:
        response = client.send(WebhookRequest(f"https://{HOST}:{receiver.port}/", BODY, {}))

    assert response.detail.startswith("The certificate is not valid: ")
    assert why in response.detail
    assert response.unreachable
    assert receiver.heads == []


def test_who_does_not_speak_tls_is_sent_nothing() -> None:
    with receiving(greet(b"220 mail.example ESMTP\r\n")) as receiver:
        response = post_to(f"https://127.0.0.1:{receiver.port}/")
    assert response == WebhookResponse(DeliveryResult.RETRY, "The TLS handshake failed.")
    assert receiver.heads == []
