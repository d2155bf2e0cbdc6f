"""Limits on the drawings of an API process and of one tenant."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import assert_problem, finish_next_job, submit_image
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.routes import drawing
from servers.waiting import wait_until

Draw = Callable[[str], TestResponse]


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"api_threads": 8}


@pytest.fixture
def draw_as(client: FlaskClient, settings: Settings, cat: bytes) -> dict[str, Draw]:
    """Draw a route of a tenant's own explanation, for three tenants; from any thread."""
    app: Flask = client.application
    store = KeyStore(open_store(settings))
    keys = {tenant: store.create(tenant=tenant, scopes=Scope)[0] for tenant in "abc"}

    def draw_of(key: ApiKey) -> Draw:
        headers = {"Authorization": f"Bearer {key.text}"}
        path = f"/v1/explanations/{submit_image(client, cat, headers=headers).get_json()['id']}"
        finish_next_job(settings)
        return lambda name: app.test_client().get(f"{path}/{name}", headers=headers)

    return {tenant: draw_of(key) for tenant, key in keys.items()}


@contextmanager
def drawing_blocked(
    monkeypatch: pytest.MonkeyPatch, *draws: Draw
) -> Iterator[list[Future[TestResponse]]]:
    """Hold one heatmap of each `draws` for the length of the block."""
    begun, ended = threading.Semaphore(0), threading.Event()

    def draw_slowly(*_: object) -> bytes:
        begun.release()
        assert ended.wait(20)
        return b"drawn"

    monkeypatch.setattr(drawing, "draw_heatmap", draw_slowly)
    with ThreadPoolExecutor(len(draws)) as threads:
        running = [threads.submit(draw, "heatmap") for draw in draws]
        for _ in draws:
            assert begun.acquire(timeout=20)
        try:
            yield running
        finally:
            ended.set()


def test_one_tenant_draws_a_limited_number_at_once_and_others_still_draw(
    draw_as: dict[str, Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = draw_as["a"], draw_as["b"]
    with drawing_blocked(monkeypatch, a, a, a) as running:
        for name in ("heatmap", "overlay", "contours", "mask.png", "regions"):
            response = a(name)
            detail = assert_problem(response, 503, "too_many_renderings")
            assert detail == "The limit on drawings at once (3) is reached. Retry later."
            assert response.headers["Retry-After"] == "1"
        assert a("map.npy").status_code == 200, "nothing is drawn"
        assert b("overlay").status_code == 200
    assert [one.result().data for one in running] == [b"drawn"] * 3
    wait_until(lambda: a("overlay").status_code == 200, what="the slots are free again")


def test_all_tenants_together_leave_threads_to_other_requests(
    draw_as: dict[str, Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = draw_as.values()
    with drawing_blocked(monkeypatch, a, a, b, b):
        assert_problem(c("overlay"), 503, "too_many_renderings")
    assert c("overlay").status_code == 200
