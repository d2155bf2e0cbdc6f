"""The API, killed once after each of its steps: `python faulty_api.py MARKS`.

A picture in the store, a manifest in the store, a job in the ledger, a hint in the broker: after
the first of each the serving process dies by SIGKILL, with all that it was about to do and to
answer. gunicorn starts it anew.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seewhy.settings import load
from seewhy_api import app
from seewhy_api.server import Server
from servers.marks import Marks

STEPS = ("picture", "manifest", "ledger", "hint")


def main(folder: str) -> None:
    marks = {step: Marks(Path(folder), step) for step in STEPS}

    def die_after(step: str) -> None:
        if threading.current_thread().name != "sweeper" and not marks[step].leave():
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(method: Callable[..., Any], step_of: Callable[..., str]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            answer = method(*args, **named)
            if step := step_of(*args):
                die_after(step)
            return answer

        return call

    open_store, open_ledger, bell = app.open_store, app.open_ledger, app.WakeupPublisher

    def step_of_put(key: str, _: bytes) -> str:
        return {"images": "picture", "jobs": "manifest"}.get(key.partition("/")[0], "")

    def deadly_store(settings: Any) -> Any:
        store: Any = open_store(settings)
        store.put = deadly(store.put, step_of_put)
        return store

    def deadly_ledger(settings: Any) -> Any:
        ledger: Any = open_ledger(settings)
        ledger.submit = deadly(ledger.submit, lambda _: "ledger")
        return ledger

    def deadly_bell(celery: Any) -> Any:
        ringing: Any = bell(celery)
        ringing.notify = deadly(ringing.notify, lambda _: "hint")
        return ringing

    app.open_store, app.open_ledger = deadly_store, deadly_ledger
    app.WakeupPublisher = deadly_bell  # type: ignore[misc,assignment]
    Server(load()).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
