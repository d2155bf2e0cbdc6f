"""Recorded requests to the Label Studio backend of an API under test."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import finish_next_job
from label_studio_rules import recording
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import JobRecord
from seewhy.schemas.geometry import Rectangle
from seewhy.settings import Settings
from servers.valkey import RedisServer
from servers.waiting import wait_until

ALIAS = {"tumor": "tiger cat", "lesion": "*", "mask": "*", "point": "*"}
UPLOAD = "/data/upload/4/118a9fc1-scan.png"
SLOW_UPLOAD = "/data/upload/4/slow.png"
WHOLE = Rectangle(x=0, y=0, width=451, height=300)


def replay(client: FlaskClient, number: int, **changes: Any) -> TestResponse:
    """Send a recorded request to the backend, with changes to its body."""
    request = recording(number)
    body = None if request["body"] is None else {**request["body"], **changes}
    return client.open(
        f"/label-studio{request['path']}",
        method=request["method"],
        headers=request["headers"],
        data=None if body is None else json.dumps(body),
    )


def set_up(client: FlaskClient, **options: Any) -> str:
    """Set up the recorded project, and return its model version."""
    extra = json.dumps({"alias": ALIAS, "wait_s": 0, **options})
    response = replay(client, 3, extra_params=extra)
    assert response.status_code == 200, response.get_data(as_text=True)
    return str(response.get_json()["model_version"])


def finish_waiting(settings: Settings) -> bool:
    """Finish the next job, with a region in the upper left of the image; False without a job."""
    signed = np.zeros((1, 8, 8), np.float32)
    signed[0, :4, :4] = 1
    try:
        finish_next_job(settings, map_=signed, covers=WHOLE)
    except ValueError:  # no job waits
        return False
    return True


def finish(settings: Settings) -> None:
    """Finish the next job, once there is one."""
    wait_until(lambda: finish_waiting(settings), what="a job waits")


def pushed_jobs(settings: Settings, valkey: RedisServer) -> list[JobRecord]:
    """Return the records of the jobs that are pushed."""
    with valkey.client() as client:
        ids = [key.rpartition(":")[2] for key in client.keys("{seewhy}:job:*")]
    records = [open_ledger(settings).read(job_id) for job_id in ids]
    return [record for record in records if record and record.webhook]


def replay_and_finish(
    client: FlaskClient, settings: Settings, number: int, **changes: Any
) -> TestResponse:
    """Send a recorded request, and finish one job meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        finished = pool.submit(finish, settings)
        response = replay(client, number, **changes)
        finished.result()
    return response
