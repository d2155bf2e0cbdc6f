"""docs/monitoring.md lists the metrics that the processes expose."""

import re
from pathlib import Path

from prometheus_client import REGISTRY

from ledger_harness import POLICY
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import ServerStatus
from seewhy.monitoring.ledger_metrics import LedgerCollector
from seewhy_api.http.request_metrics import SlotCollector
from seewhy_api.webhooks import metrics as webhook_metrics
from seewhy_worker.pipeline import metrics as worker_metrics
from seewhy_worker.residency import metrics as residency_metrics

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
MODULES = (webhook_metrics, worker_metrics, residency_metrics)
"""They register their metrics when they are imported."""


class LedgerInMemory(MemoryLedger):
    def server_status(self) -> ServerStatus:
        return ServerStatus(
            used_memory_bytes=1, max_memory_bytes=0, evicted_keys=0, clients=1, is_persistent=True
        )


def exposed_metrics() -> dict[str, str]:
    """Return the type of each metric, by its name."""
    ledger = LedgerInMemory(policy=POLICY)
    collectors = (
        LedgerCollector(ledger=ledger, workers=ledger.workers, lanes=["m:interactive"]),
        SlotCollector({}),
        REGISTRY,
    )
    found = {
        metric.name + ("_total" if metric.type == "counter" else ""): metric.type
        for collector in collectors
        for metric in collector.collect()
    }
    return {name: kind for name, kind in found.items() if name.startswith("seewhy_")}


def listed_metrics() -> dict[str, str]:
    rows = re.findall(r"^\| `(seewhy_\w+)` \| (\w+)[^|]* \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a metric is listed twice"
    return dict(rows)


def test_the_page_lists_every_metric_with_its_type() -> None:
    assert MODULES
    assert listed_metrics() == exposed_metrics()
