"""The S3 store against failing servers: wrong responses, no response, no server."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from seewhy.errors import ObjectNotFound, StoreUnavailable
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from servers import s3

Response = tuple[int, dict[str, str], bytes]
NO_SUCH_KEY: Response = (404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
SLOW_DOWN: Response = (503, {}, b"<Error><Code>SlowDown</Code></Error>")
KMS_ETAG = {"ETag": f'"{"0" * 32}"'}  # under KMS encryption an ETag looks like an MD5 but is none
GET_HEADERS = {"Last-Modified": "Tue, 22 Feb 2022 19:22:22 GMT", "ETag": '"1"'}


@contextmanager
def store_on_server(respond: Callable[[str], Response]) -> Iterator[ObjectStore]:
    """Open a store on a server that answers each request with `respond(method)`."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = respond(self.command)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield open_store_at(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def open_store_at(endpoint: str) -> ObjectStore:
    return open_store(
        load(
            environment={},
            store_url="s3://bucket",
            s3_endpoint=endpoint,
            s3_access_key_id="key",
            s3_secret_access_key="secret",  # noqa: S106
        )
    )


def put_image(store: ObjectStore) -> None:
    store.put("images/1", b"an image", content_type="image/jpeg")


def test_only_an_s3_error_document_means_that_an_object_does_not_exist() -> None:
    with store_on_server(lambda _: NO_SUCH_KEY) as store, pytest.raises(ObjectNotFound):
        store.get("images/1")
    for page in (b"", b"<html>404: no such site</html>"):
        with store_on_server(lambda _: (404, {}, page)) as store, pytest.raises(StoreUnavailable):  # noqa: B023
            store.get("images/1")


def test_a_lasting_server_error_makes_the_store_unavailable() -> None:
    with store_on_server(lambda _: SLOW_DOWN) as store:
        for call in (store.check, lambda: store.get("images/1"), lambda: put_image(store)):
            with pytest.raises(StoreUnavailable, match="503"):
                call()


def test_a_passing_server_error_is_retried() -> None:
    responses = iter([SLOW_DOWN, (200, GET_HEADERS, b"an image")])
    with store_on_server(lambda _: next(responses)) as store:
        assert store.get("images/1") == b"an image"


def test_a_truncated_download_is_an_error() -> None:
    def truncated(_: str) -> Response:
        return (200, GET_HEADERS | {"Content-Length": "100", "Connection": "close"}, b"an im")

    with store_on_server(truncated) as store, pytest.raises(StoreUnavailable):
        store.get("images/1")


@pytest.mark.parametrize("stored", [(200, GET_HEADERS, b"an imag\x00"), NO_SUCH_KEY])
def test_a_put_fails_when_the_store_keeps_different_content(stored: Response) -> None:
    with (
        store_on_server(
            lambda method: (200, KMS_ETAG, b"") if method == "PUT" else stored
        ) as store,
        pytest.raises(StoreUnavailable, match="keeps different content under images/1"),
    ):
        put_image(store)


@pytest.mark.parametrize("etag", [KMS_ETAG, {"ETag": '"0-2"'}, {"ETag": '""'}])
def test_a_put_with_an_etag_that_is_no_md5_is_verified_by_reading(etag: dict[str, str]) -> None:
    methods: list[str] = []

    def respond(method: str) -> Response:
        methods.append(method)
        return (200, etag, b"") if method == "PUT" else (200, GET_HEADERS, b"an image")

    with store_on_server(respond) as store:
        put_image(store)
    assert methods == ["PUT", "GET"]


@pytest.mark.timeout(30)  # obstore's default timeout is three minutes
def test_a_silent_or_stopped_server_times_out() -> None:
    with s3.running() as server:
        store = open_store(load(environment={}, **server.settings(server.new_bucket())))
        put_image(store)
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            store.get("images/1")
        with pytest.raises(StoreUnavailable):
            put_image(store)
        os.kill(server.pid, signal.SIGCONT)
        assert store.get("images/1") == b"an image"
    with pytest.raises(StoreUnavailable):
        store.check()


def test_an_unknown_host_makes_the_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        open_store_at("http://no-such-host.invalid").check()
