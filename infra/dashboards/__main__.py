"""Write the dashboards: `make dashboards`."""

import json
from collections.abc import Mapping
from pathlib import Path

from dashboards.devices_and_batches import DEVICES_AND_BATCHES
from dashboards.queue_and_workers import QUEUE_AND_WORKERS
from dashboards.service import SERVICE

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
DASHBOARDS = (SERVICE, QUEUE_AND_WORKERS, DEVICES_AND_BATCHES)


def documents() -> Mapping[str, str]:
    """Return the content of each file, by its name."""
    return {
        f"{dashboard.name}.json": json.dumps(dashboard.to_json(), indent=2, ensure_ascii=False)
        + "\n"
        for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    for name, text in documents().items():
        (FOLDER / name).write_text(text, "utf-8")
