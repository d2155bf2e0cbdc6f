"""A service of real processes for faults of one worker; leases are short, so that tests are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from servers.house import House, house
from servers.valkey import start_valkey


@pytest.fixture
def changes() -> dict[str, Any]:
    """What a module wants set otherwise."""
    return {}


@pytest.fixture
def building(tmp_path: Path, changes: dict[str, Any]) -> Iterator[House]:
    """An API that runs, on a Valkey of its own; no worker yet."""
    with start_valkey(tmp_path / "valkey") as server:
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{tmp_path}/objects",
            default_model="efficientnet-lite0",
            api_port=free_port(),
            sweep_interval_s=0.5,
            **{"lease_s": 2, "max_batch": 4, **changes},
        )
        with house(settings, tmp_path) as running:
            running.start_api()
            yield running
