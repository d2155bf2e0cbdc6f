"""Event streams of batches: their progress, at most once a second, until they end."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.types import BatchRecord
from seewhy_api.streaming.event_stream import HEARTBEAT, OUTCOME_ID
from seewhy_api.streaming.sse_writer import StreamTiming

INTERVAL_S = 1.0
TIMING = StreamTiming()
PROGRESS_ID = "0-0"
"""In the form of event ids. Every message is the whole state, so resuming omits nothing."""


class BatchEvents:
    """Writes the event streams of batches."""

    def __init__(
        self,
        *,
        batches: BatchLedger,
        serialize: Callable[[BatchRecord], dict[str, Any]],
        is_stopping: Callable[[], bool],
    ) -> None:
        """Read `batches` and write what `serialize` makes of them; end once `is_stopping()`."""
        self._batches = batches
        self._serialize = serialize
        self._is_stopping = is_stopping

    def write(self, batch: BatchRecord) -> Iterator[str]:
        """Yield the text of one stream until the batch ends, the time limit, or shutdown."""
        started_s = written_s = time.monotonic()
        shown: dict[str, Any] | None = None
        while True:
            view = self._serialize(batch)
            now_s = time.monotonic()
            if shown is None or _without_eta(view) != _without_eta(shown):
                event_id = OUTCOME_ID if batch.state.terminal else PROGRESS_ID
                yield f"id: {event_id}\ndata: {json.dumps(view, allow_nan=False)}\n\n"
                shown, written_s = view, now_s
            elif now_s - written_s >= TIMING.heartbeat_s:
                yield HEARTBEAT
                written_s = now_s
            is_late = now_s - started_s >= TIMING.max_duration_s
            if batch.state.terminal or is_late or self._is_stopping():
                return
            time.sleep(INTERVAL_S)
            try:
                batch = self._batches.read(batch.batch_id) or batch
            except LedgerUnavailable:
                continue


def _without_eta(view: dict[str, Any]) -> dict[str, Any]:
    """Leave out what changes with every second: a client can count down by itself."""
    return {name: value for name, value in view.items() if name != "eta_s"}
