"""The S3 adapter against servers that fail: scripted, silent, gone."""

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

Answer = tuple[int, dict[str, str], bytes]
NO_SUCH_KEY: Answer = (404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
SLOW_DOWN: Answer = (503, {}, b"<Error><Code>SlowDown</Code></Error>")
KMS_TAG = {"ETag": f'"{"0" * 32}"'}  # looks like an MD5, as S3's do under KMS encryption
GET_HEADERS = {"Last-Modified": "Tue, 22 Feb 2022 19:22:22 GMT", "ETag": '"1"'}


@contextmanager
def answering(answer: Callable[[str], Answer]) -> Iterator[ObjectStore]:
    """Open a store on a server that answers each method as `answer(method)` says."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answer(self.command)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield on(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def on(endpoint: str) -> ObjectStore:
    return open_store(
        load(
            environment={},
            store_url="s3://bucket",
            s3_endpoint=endpoint,
            s3_access_key_id="key",
            s3_secret_access_key="secret",
        )
    )


def put(store: ObjectStore) -> None:
    store.put("images/1", b"a picture", content_type="image/jpeg")


def test_only_the_store_s_own_word_makes_an_object_absent() -> None:
    with answering(lambda _: NO_SUCH_KEY) as store, pytest.raises(ObjectNotFound):
        store.get("images/1")
    for page in (b"", b"<html>404: no such site</html>"):
        with answering(lambda _: (404, {}, page)) as store, pytest.raises(StoreUnavailable):  # noqa: B023
            store.get("images/1")


def test_a_server_error_that_lasts_makes_the_store_unavailable() -> None:
    with answering(lambda _: SLOW_DOWN) as store:
        for call in (store.check, lambda: store.get("images/1"), lambda: put(store)):
            with pytest.raises(StoreUnavailable, match="503"):
                call()


def test_a_server_error_that_passes_is_not_noticed() -> None:
    answers = iter([SLOW_DOWN, (200, GET_HEADERS, b"a picture")])
    with answering(lambda _: next(answers)) as store:
        assert store.get("images/1") == b"a picture"


def test_a_download_that_breaks_off_is_not_taken_for_the_object() -> None:
    def broken(_: str) -> Answer:
        return (200, GET_HEADERS | {"Content-Length": "100", "Connection": "close"}, b"a pic")

    with answering(broken) as store, pytest.raises(StoreUnavailable):
        store.get("images/1")


@pytest.mark.parametrize("kept", [(200, GET_HEADERS, b"a pictur\x00"), NO_SUCH_KEY])
def test_a_put_of_which_something_else_is_kept_is_refused(kept: Answer) -> None:
    with (
        answering(lambda method: (200, KMS_TAG, b"") if method == "PUT" else kept) as store,
        pytest.raises(StoreUnavailable, match="kept another content under images/1"),
    ):
        put(store)


@pytest.mark.parametrize("tag", [KMS_TAG, {"ETag": '"0-2"'}, {"ETag": '""'}])
def test_a_tag_that_is_no_md5_is_settled_by_reading_back(tag: dict[str, str]) -> None:
    kept = (200, GET_HEADERS, b"a picture")
    with answering(lambda method: (200, tag, b"") if method == "PUT" else kept) as store:
        put(store)


@pytest.mark.timeout(30)  # the library's own patience is three minutes
def test_a_server_that_is_gone_or_silent_is_not_waited_for() -> None:
    with s3.running() as server:
        store = open_store(load(environment={}, **server.settings(server.new_bucket())))
        put(store)
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            store.get("images/1")
        with pytest.raises(StoreUnavailable):
            put(store)
        os.kill(server.pid, signal.SIGCONT)
        assert store.get("images/1") == b"a picture"
    with pytest.raises(StoreUnavailable):
        store.check()


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        on("http://no-such-host.invalid").check()
