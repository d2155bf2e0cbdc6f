"""Batches in tests: their lines, their submission, and acceptance without a thread."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from seewhy_api.app import Api


def item(image: bytes, **fields: Any) -> dict[str, Any]:
    """Return an item that holds an image."""
    return {"image_base64": base64.b64encode(image).decode(), **fields}


def ndjson(items: Iterable[Any]) -> bytes:
    """Write one JSON document on each line; text stays as it is."""
    return b"".join(
        (each if isinstance(each, str) else json.dumps(each)).encode() + b"\n" for each in items
    )


def submit_batch(
    client: FlaskClient, items: Iterable[Any], *, headers: Any = None, **request: Any
) -> TestResponse:
    """Submit a batch; `request` applies to all items."""
    return client.post(
        "/v1/batches",
        data=ndjson(items),
        content_type="application/x-ndjson",
        query_string={"request": json.dumps(request)} if request else {},
        headers=headers or {},
    )


def accepted_batch(api: Api, client: FlaskClient, items: Iterable[Any], **request: Any) -> str:
    """Submit a batch, let its items become jobs, and return its id."""
    response = submit_batch(client, items, **request)
    assert response.status_code == 202, response.get_data(as_text=True)
    api.acceptor.accept_batches()
    batch_id: str = response.get_json()["id"]
    return batch_id


def results_of(client: FlaskClient, batch_id: str, *, after: int | None = None) -> list[Any]:
    """Return the lines of the results of a batch."""
    query = {} if after is None else {"after": str(after)}
    response = client.get(f"/v1/batches/{batch_id}/results", query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [json.loads(line) for line in response.get_data().splitlines()]
