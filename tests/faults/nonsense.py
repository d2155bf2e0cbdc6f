"""What may turn up in a hint queue without anybody having meant it, or with ill will."""

import base64
import json
import pickle
import random
from uuid import uuid4

from redis import Redis

from seewhy.broker.wakeups import RUN_JOBS_TASK, create_celery
from seewhy.ledger.types import lanes_of, wakeup_queue
from seewhy.settings import Settings

TIMES = 10


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (self._path, "w"))


def send_nonsense(settings: Settings, client: "Redis", chance: random.Random, *, trap: str) -> None:
    """Send true hints many times over, hints for lanes nobody serves, and messages that are none.

    A message that makes the file `trap` when it is unpickled is among them.
    """
    lanes = lanes_of(settings.default_model)
    celery = create_celery(settings.redis_url, lanes=lanes)
    queues = [wakeup_queue(lane) for lane in lanes]
    arguments: list[list[object]] = [[lane] for _ in range(TIMES) for lane in lanes]
    arguments += [["nobody:batch"], [], [7], [None, "two"], [{"lane": lanes[0]}]]
    chance.shuffle(arguments)
    for asked in arguments:
        celery.send_task(RUN_JOBS_TASK, args=asked, queue=chance.choice(queues))
    celery.send_task("no.such.task", queue=queues[0])
    celery.close()
    pickled = pickle.dumps([[Trap(trap)], {}, {}])
    client.lpush(queues[0], _message(pickled, "application/x-python-serialize"))
    client.lpush(queues[0], _message(b"[", "application/json"))


def send_later_hints(settings: Settings) -> None:
    """Send hints with an argument and a header that a later version might add."""
    lanes = lanes_of(settings.default_model)
    celery = create_celery(settings.redis_url, lanes=lanes)
    for lane in lanes:
        celery.send_task(
            RUN_JOBS_TASK,
            args=[lane],
            kwargs={"added_later": {"jobs": 3}},
            headers={"x-added-later": "yes"},
            queue=wakeup_queue(lane),
        )
    celery.close()


def _message(body: bytes, content_type: str) -> str:
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
                "delivery_info": {"exchange": "", "routing_key": "hints"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": tag,
            },
        }
    )
