"""Requests to Label Studio: which images are read with the token, and when requests end."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from seewhy_api.label_studio.client import LabelStudioClient, LabelStudioError
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.exchange import Answer, NoAnswer
from servers.label_studio import PERSONAL_TOKEN

BELOW_A_PATH = "http://labels.test/label"


class SilentExchange:
    """Requests that get no answer until they are released."""

    def __init__(self) -> None:
        self.sent = threading.Semaphore(0)
        self.released = threading.Event()

    @contextmanager
    def send(self, *_: Any, deadline: Deadline, **__: Any) -> Iterator[Answer]:
        self.sent.release()
        assert self.released.wait(20)
        raise NoAnswer(f"Cannot connect to 10.0.0.7: {deadline}")
        yield


def client_of(url: str, **options: Any) -> LabelStudioClient:
    return LabelStudioClient(url, api_key=PERSONAL_TOKEN, timeout_s=5, **options)


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("/data/upload/1/a.png", "/label/data/upload/1/a.png"),
        ("http://labels.test/label/data/upload/1/a.png", "/label/data/upload/1/a.png"),
        ("http://labels.test/data/upload/1/a.png", None),
        ("http://labels.test/labels/data/upload/1/a.png", None),
        ("http://labels.test/label/label/data/upload/1/a.png", None),
        ("http://labels.test/label/api/users/", None),
        ("http://labels.test/label/data/../api/users/", None),
        ("http://labels.test/label/data/%2e%2e/api/users/", None),
        ("http://labels.test:81/label/data/upload/1/a.png", None),
        ("http://other.test/label/data/upload/1/a.png", None),
    ],
)
def test_only_the_files_below_the_url_of_label_studio_are_read_with_its_token(
    reference: str, path: str | None
) -> None:
    assert client_of(BELOW_A_PATH).path_of(reference) == path


def test_a_thread_waits_no_longer_for_the_token_of_another_than_for_an_answer() -> None:
    exchange = SilentExchange()
    client = client_of(BELOW_A_PATH, exchange=exchange)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.request, "GET", "predictions/")
        assert exchange.sent.acquire(timeout=10)
        second = threads.submit(client.request, "GET", "x/", deadline=Deadline(0.01))
        try:
            with pytest.raises(LabelStudioError, match="returns no access token in time"):
                second.result(timeout=10)
        finally:
            exchange.released.set()
        with pytest.raises(LabelStudioError):
            first.result()


def test_the_reason_for_no_answer_is_in_the_log_and_not_in_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange = SilentExchange()
    exchange.released.set()
    with pytest.raises(LabelStudioError) as error:
        client_of(BELOW_A_PATH, exchange=exchange).request("GET", "predictions/")
    assert str(error.value) == "Label Studio does not answer. The operator's log has the reason."
    assert "10.0.0.7" in caplog.text
