"""Limits on responses that occupy a thread: event streams, and archives of batches."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from batch_requests import accepted_batch, item
from http_api import assert_problem, submit_image
from seewhy_api.app import Api


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"api_threads": 8, "api_streams": 2}


def test_event_streams_of_explanations_and_batches_have_one_limit(
    api: Api, client: FlaskClient, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    batch_id = accepted_batch(api, client, [item(cat)], outputs=[])
    paths = (f"/v1/explanations/{job_id}/events", f"/v1/batches/{batch_id}/events")
    streams = [client.get(path) for path in paths]
    assert [stream.status_code for stream in streams] == [200, 200]
    for path in paths:
        assert_problem(client.get(path), 503, "too_many_streams")
    streams[0].close()
    assert client.get(paths[1]).status_code == 200


def test_a_tenant_gets_a_limited_number_of_archives_at_once(api: Api, client: FlaskClient) -> None:
    path = f"/v1/batches/{accepted_batch(api, client, ['bad'])}/overlays.zip"
    archive = client.get(path)
    assert archive.status_code == 200
    refused = client.get(path)
    detail = assert_problem(refused, 503, "too_many_archives")
    assert detail == "The limit on archives at once (1) is reached. Retry later."
    assert refused.headers["Retry-After"] == "2"
    archive.close()
    assert client.get(path).status_code == 200
