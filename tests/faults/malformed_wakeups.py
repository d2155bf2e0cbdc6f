"""Duplicate, unknown, malformed and malicious messages for the wakeup queues."""

import base64
import json
import pickle
import random
from pathlib import Path
from uuid import uuid4

from redis import Redis

from seewhy.broker.wakeups import RUN_JOBS_TASK, celery_queue, create_celery
from seewhy.ledger.types import lanes_of, wakeup_queue
from seewhy.settings import Settings

DUPLICATES = 10


class UnpickleCanary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        """Create `path` on unpickling."""
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (self._path, "w"))


def send_malformed_wakeups(
    settings: Settings, redis: "Redis", rng: random.Random, *, canary: Path
) -> None:
    """Send duplicate wakeups, wakeups for unknown lanes, and messages that are no wakeups.

    One message creates the file `canary` when it is unpickled.
    """
    lanes = lanes_of(settings.default_model)
    celery = create_celery(settings.redis_url, lanes=lanes)
    queues = [wakeup_queue(lane) for lane in lanes]
    arguments: list[list[object]] = [[lane] for _ in range(DUPLICATES) for lane in lanes]
    arguments += [["unknown:batch"], [], [7], [None, "two"], [{"lane": lanes[0]}]]
    rng.shuffle(arguments)
    for args in arguments:
        celery.send_task(RUN_JOBS_TASK, args=args, queue=celery_queue(rng.choice(queues)))
    celery.send_task("no.such.task", queue=celery_queue(queues[0]))
    celery.close()
    pickled = pickle.dumps([[UnpickleCanary(str(canary))], {}, {}])
    redis.lpush(queues[0], _message(pickled, "application/x-python-serialize"))
    redis.lpush(queues[0], _message(b"[", "application/json"))


def send_future_wakeups(settings: Settings) -> None:
    """Send wakeups with an extra argument and header, as a later version might."""
    lanes = lanes_of(settings.default_model)
    celery = create_celery(settings.redis_url, lanes=lanes)
    for lane in lanes:
        celery.send_task(
            RUN_JOBS_TASK,
            args=[lane],
            kwargs={"added_later": {"jobs": 3}},
            headers={"x-added-later": "yes"},
            queue=celery_queue(wakeup_queue(lane)),
        )
    celery.close()


def _message(body: bytes, content_type: str) -> str:
    """Return a message in Kombu's Redis format."""
    tag = str(uuid4())
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content_type,
            "headers": {"lang": "py", "task": RUN_JOBS_TASK, "id": tag, "root_id": tag},
            "properties": {
                "correlation_id": tag,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "wakeups"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": tag,
            },
        }
    )
