"""Limits on responses that occupy a thread: event streams, and downloads of batches."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from batch_requests import accepted_batch, item
from http_api import assert_problem, submit_image
from seewhy_api.app import Api

MANY_ITEMS = [{"image_base64": "!"}] * 4_000
"""Items that are refused, and whose results take more than 500 kB."""


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


@pytest.mark.parametrize("name", ["overlays.zip", "results"])
def test_a_tenant_gets_a_limited_number_of_long_downloads_at_once(
    api: Api, client: FlaskClient, name: str
) -> None:
    path = f"/v1/batches/{accepted_batch(api, client, MANY_ITEMS)}/{name}"
    download = client.get(path)
    assert download.status_code == 200
    refused = client.get(path)
    detail = assert_problem(refused, 503, "too_many_batch_downloads")
    assert detail == "The limit on downloads of batches at once (1) is reached. Retry later."
    assert refused.headers["Retry-After"] == "2"
    download.close()
    assert client.get(path).status_code == 200


def test_short_results_of_a_batch_are_not_limited(api: Api, client: FlaskClient) -> None:
    archive = client.get(f"/v1/batches/{accepted_batch(api, client, ['bad'])}/overlays.zip")
    path = f"/v1/batches/{accepted_batch(api, client, MANY_ITEMS)}/results"
    assert_problem(client.get(path), 503, "too_many_batch_downloads")
    last = client.get(path, query_string={"after": len(MANY_ITEMS) - 2})
    assert len(last.get_data().splitlines()) == 1
    archive.close()
    lines = client.get(path).get_data().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(MANY_ITEMS)))
