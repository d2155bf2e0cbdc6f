"""An API that is killed once after each step of a submission: `python faulty_api.py COUNTERS`.

The steps are image stored, manifest stored, job in the ledger, wakeup published. After the first
occurrence of each, the serving process kills itself before it goes on or responds. gunicorn then
restarts it. COUNTERS is the folder of the fault counters.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api import app
from seewhy_api.server import Server
from servers.fault_counter import FaultCounter

STEPS = ("image", "manifest", "ledger", "wakeup")


def main(folder: str) -> None:
    """Patch the API's adapters and serve."""
    counters = {step: FaultCounter(Path(folder), step) for step in STEPS}

    def die_after(step: str) -> None:
        if threading.current_thread().name != "sweeper" and not counters[step].increment():
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(method: Callable[..., Any], step_of: Callable[..., str]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            result = method(*args, **named)
            if step := step_of(*args):
                die_after(step)
            return result

        return call

    def step_of_put(key: str, _: bytes) -> str:
        return {"images": "image", "jobs": "manifest"}.get(key.partition("/")[0], "")

    def deadly_store(settings: Any) -> Any:
        store: Any = open_store(settings)
        store.put = deadly(store.put, step_of_put)
        return store

    def deadly_ledger(settings: Any) -> Any:
        ledger: Any = open_ledger(settings)
        ledger.submit = deadly(ledger.submit, lambda _: "ledger")
        return ledger

    def deadly_publisher(celery: Any) -> Any:
        wakeups: Any = WakeupPublisher(celery)
        wakeups.notify = deadly(wakeups.notify, lambda _: "wakeup")
        return wakeups

    with patch.multiple(
        app,
        open_store=deadly_store,
        open_ledger=deadly_ledger,
        WakeupPublisher=deadly_publisher,
    ):
        Server(load()).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
