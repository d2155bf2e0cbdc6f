"""Downloading images from URLs that clients choose: from real servers, most of which misbehave."""

import gzip
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from images import ENCODED
from seewhy.errors import ImageTooLarge, ImageUnreachable, ImageUrlRefused, TooManyDownloads
from seewhy.settings import load
from seewhy_api.outgoing.dns import Resolve
from seewhy_api.outgoing.image_downloads import UNREACHABLE, ImageDownloads
from servers.certificates import CertificateAuthority
from servers.receivers import Behavior, answer, drip, flood, hang, hang_up, receiving, reset
from servers.scripted import Response, scripted

HOST = "photos.example"
PNG = ENCODED["PNG"]
HEAD = b"HTTP/1.1 200 OK\r\n"
LOOPBACK = "127.0.0.1/32"


def resolve_to_loopback(host: str, port: int, limit_s: float) -> list[str]:
    return ["127.0.0.1"]


def make_downloads(
    port: int | str,
    *,
    resolve: Resolve = resolve_to_loopback,
    ssl_context: ssl.SSLContext | None = None,
    **settings: Any,
) -> ImageDownloads:
    """Allow one port of `HOST` and of its subdomains."""
    allowed = {"image_url_hosts": f"{HOST}:{port}, *.{HOST}:{port}", "image_url_networks": LOOPBACK}
    limits = {"image_url_timeout_s": 19.0, "store_url": "file:///unused"}
    loaded = load({}, **(allowed | limits | settings))
    return ImageDownloads(loaded, resolve=resolve, ssl_context=ssl_context)


def read(downloads: ImageDownloads, url: str) -> bytes:
    return downloads.read(url, client="tenant")


@contextmanager
def serving(behavior: Behavior, **settings: Any) -> Iterator[tuple[ImageDownloads, str, Any]]:
    """Serve a behavior; yield downloads that may use it, its URL and its records."""
    with receiving(behavior) as receiver:
        url = f"http://{HOST}:{receiver.port}/cat"
        yield make_downloads(receiver.port, **settings), url, receiver


def body(content: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(content)
    return HEAD + b"\r\n".join([*headers, length]) + b"\r\n\r\n" + content


def test_an_image_is_downloaded_by_a_plain_request() -> None:
    with scripted(Response(200, PNG, {"Set-Cookie": "a=b"}), Response(200, PNG)) as server:
        port = server.url.rpartition(":")[2]
        downloads = make_downloads(port)
        url = f"http://{HOST}:{port}/a%20cat.png?signature=x%2F"
        assert [read(downloads, url) for _ in range(2)] == [PNG, PNG]
        first, second = server.requests
    assert (first.method, first.path, first.body) == ("GET", "/a%20cat.png?signature=x%2F", b"")
    assert first.headers == second.headers
    assert first.headers == {
        "accept": "image/jpeg, image/png, image/webp",
        "host": f"{HOST}:{port}",
        "user-agent": f"seewhy/{version('seewhy')}",
        "accept-encoding": "identity",
        "connection": "close",
    }


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://photos.example/",
        "ftp://photos.example/",
        "data:image/png;base64,AAAA",
        "https:photos.example",
        "//photos.example/",
        "photos.example",
        "",
        "https://user@photos.example/",
        "https://photos.example@169.254.169.254/",
        "https://photos.example\\@evil.example/",
        "https://photos.example#@evil.example/",
        "https://photos.example%00.evil.example/",
        "https://evil.example/",
        "https://photos.example.evil.example/",
        "https://evilphotos.example/",
        "https://photos.example:22/",
        "http://photos.example:443/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://рhotos.example/",  # noqa: RUF001  (a homograph: the first letter is Cyrillic)
        "https://" + "a" * 3_000,
    ],
)
def test_a_url_that_is_not_allowed_is_refused_before_anything_is_looked_up(url: str) -> None:
    def resolve(host: str, port: int, limit_s: float) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    downloads = make_downloads(443, resolve=resolve, image_url_hosts=f"{HOST}, *.{HOST}")
    for refuse in (downloads.check, lambda url: read(downloads, url)):
        with pytest.raises(ImageUrlRefused):
            refuse(url)


def test_the_operator_allows_hosts_and_ports() -> None:
    def allows(hosts: str, url: str) -> bool:
        try:
            make_downloads(443, image_url_hosts=hosts).check(url)
        except ImageUrlRefused:
            return False
        return True

    assert not allows("", "https://photos.example/")
    assert allows("a.example, photos.example", "https://photos.example./a")
    assert allows("photos.example", "https://PHOTOS.example/a")
    assert allows("*.example", "https://photos.example/a")
    assert not allows("*.photos.example", "https://photos.example/a")
    assert allows("public", "https://anything.example/")
    assert not allows("public", "https://anything.example:8443/")
    assert allows("public:8443", "https://anything.example:8443/")


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.2", "169.254.169.254", "::1", "::ffff:127.0.0.2", "64:ff9b::a9fe:a9fe"],
)
def test_a_public_host_with_an_internal_address_is_not_connected_to(address: str) -> None:
    for addresses in ([address], ["127.0.0.1", address], [address, "127.0.0.1"]):
        with receiving(answer(body(PNG))) as receiver:
            downloads = make_downloads(
                receiver.port,
                resolve=lambda *_, found=addresses: found,
                image_url_hosts=f"public:{receiver.port}",
            )
            with pytest.raises(ImageUnreachable) as caught:
                read(downloads, f"https://photos.example:{receiver.port}/")
        assert str(caught.value) == UNREACHABLE
        assert receiver.heads == []


def test_a_name_that_is_rebound_is_looked_up_once_for_each_request() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    with serving(answer(body(PNG)), resolve=lambda *_: answers.pop(0)) as (downloads, url, server):
        assert read(downloads, url) == PNG
        with pytest.raises(ImageUnreachable, match="no answer"):
            read(downloads, url)
    assert (answers, len(server.heads)) == ([], 1)


def test_a_host_that_is_rebound_by_its_own_redirect_is_checked_again() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    redirect = answer(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    with (
        serving(redirect, resolve=lambda *_: answers.pop(0)) as (downloads, url, server),
        pytest.raises(ImageUnreachable, match="no answer"),
    ):
        read(downloads, url)
    assert (answers, len(server.heads)) == ([], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_the_allowed_hosts_are_followed(status: int) -> None:
    with scripted() as server:
        port = server.url.rpartition(":")[2]
        server.responses += [
            Response(status, headers={"Location": "../other"}),
            Response(status, headers={"Location": f"//a.{HOST}:{port}/b#part"}),
            Response(status, headers={"Location": f"http://{HOST}:{port}/c?d"}),
            Response(200, PNG),
        ]
        assert read(make_downloads(port), f"http://{HOST}:{port}/a/b") == PNG
        paths = [(r.headers["host"].partition(":")[0], r.path) for r in server.requests]
    assert paths == [(HOST, "/a/b"), (HOST, "/other"), (f"a.{HOST}", "/b"), (HOST, "/c?d")]


def test_more_redirects_are_not_followed() -> None:
    with scripted(*[Response(302, headers={"Location": "/a"})] * 4) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ImageUnreachable, match="more than 3 times"):
            read(make_downloads(port), f"http://{HOST}:{port}/")
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://evil.example/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "s3://bucket/key",
        "http://user@photos.example/",
        "http://[::1",
        "/a b",
    ],
)
def test_a_redirect_to_what_is_not_allowed_is_not_followed(location: str) -> None:
    with scripted(Response(302, headers={"Location": location})) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ImageUnreachable, match="not allowed"):
            read(make_downloads(port), f"http://{HOST}:{port}/")


@pytest.mark.parametrize("status", [201, 204, 206, 300, 302, 304, 400, 401, 404, 410, 500, 503])
def test_another_status_than_200_gives_no_image(status: int) -> None:
    with scripted(Response(status, b"" if status in {204, 304} else b"secret")) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ImageUnreachable) as caught:
            read(make_downloads(port), f"http://{HOST}:{port}/")
    assert str(caught.value) == f"The server of image_url answered {status}."


def test_the_bytes_decide_and_no_header() -> None:
    compressed = gzip.compress(bytes(5_000_000))
    for content, headers in (
        (PNG, [b"Content-Type: text/html"]),
        (b"<html>", [b"Content-Type: image/png"]),
        (compressed, [b"Content-Encoding: gzip"]),
    ):
        with serving(answer(body(content, *headers))) as (downloads, url, _):
            assert read(downloads, url) == content


@pytest.mark.parametrize("length", [b"", b"Content-Length: 10000000000000\r\n"])
def test_an_endless_body_is_read_up_to_the_limit(length: bytes) -> None:
    endless = flood(HEAD + length + b"\r\n")
    with (
        serving(endless, max_upload_bytes=100_000) as (downloads, url, one),
        pytest.raises(ImageTooLarge, match="100000 bytes"),
    ):
        read(downloads, url)
    assert one.sent_bytes < 20_000_000


def test_a_body_of_exactly_the_limit_is_read() -> None:
    for headers in ([], [b"Connection: close"]):
        with serving(answer(body(bytes(5_000), *headers)), max_upload_bytes=5_000) as served:
            assert read(served[0], served[1]) == bytes(5_000)
    with (
        serving(answer(body(bytes(5_001))), max_upload_bytes=5_000) as served,
        pytest.raises(ImageTooLarge),
    ):
        read(served[0], served[1])


@pytest.mark.parametrize(
    "behavior",
    [
        hang,
        drip(b""),
        drip(HEAD + b"X: "),
        drip(HEAD + b"Content-Length: 1000000\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["hang", "drip a status", "drip headers", "drip a body", "drip a chunk size"],
)
def test_one_deadline_covers_the_whole_download(behavior: Behavior) -> None:
    started = time.monotonic()
    with (
        serving(behavior, image_url_timeout_s=0.5) as (downloads, url, _),
        pytest.raises(ImageUnreachable) as caught,
    ):
        read(downloads, url)
    assert str(caught.value) == UNREACHABLE
    assert time.monotonic() - started < 20, "the servers here block for a minute"


@pytest.mark.parametrize(
    "behavior",
    [
        hang_up,
        reset,
        answer(b"SSH-2.0-OpenSSH_9.9\r\n"),
        answer(body(PNG)[:-5]),
        answer(HEAD + b"Content-Length: many\r\n\r\n"),
        answer(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
    ],
    ids=["hang up", "reset", "SSH", "cut body", "no length", "cut chunk"],
)
def test_a_broken_answer_gives_no_image(behavior: Behavior) -> None:
    with serving(behavior) as (downloads, url, _), pytest.raises(ImageUnreachable) as caught:
        read(downloads, url)
    assert str(caught.value) == UNREACHABLE


def test_a_server_that_cannot_be_reached_is_answered_like_one_that_may_not_be(
    unused_port: int,
) -> None:
    for addresses in ([], ["127.0.0.1"], ["10.0.0.1"]):
        downloads = make_downloads(unused_port, resolve=lambda *_, found=addresses: found)
        with pytest.raises(ImageUnreachable) as caught:
            read(downloads, f"http://{HOST}:{unused_port}/")
        assert str(caught.value) == UNREACHABLE


def test_certificates_are_verified_against_the_host_name(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    for host, trusted in ((HOST, authority.client_context), (HOST, None), ("b.example", None)):
        with receiving(answer(body(PNG)), tls=authority.server_context(host, tmp_path)) as receiver:
            downloads = make_downloads(receiver.port, ssl_context=trusted)
            url = f"https://{HOST}:{receiver.port}/"
            if trusted:
                assert read(downloads, url) == PNG
                assert receiver.server_names == [HOST]
                continue
            with pytest.raises(ImageUnreachable, match="no answer"):
                read(downloads, url)
            assert receiver.heads == []


def test_downloads_at_once_are_limited_in_all_and_for_each_client() -> None:
    with serving(answer(body(PNG)), image_url_downloads=4) as (downloads, url, server):
        with ExitStack() as stack:
            for client in ("a", "a", "b"):
                stack.enter_context(downloads._slots.take(client))
            with pytest.raises(TooManyDownloads, match=r"\(2\)"):
                downloads.read(url, client="a")
            assert downloads.read(url, client="b") == PNG
            stack.enter_context(downloads._slots.take("c"))
            with pytest.raises(TooManyDownloads, match=r"\(4\)") as caught:
                downloads.read(url, client="d")
            assert caught.value.retry_after_s == 5
        assert downloads.read(url, client="a") == PNG
        assert len(server.heads) == 2
