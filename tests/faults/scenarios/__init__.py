"""All fault scenarios by number."""

from faults.scenario import Scenario, scenarios_of
from faults.scenarios import (
    api,
    batches,
    clients,
    devices,
    images,
    long_jobs,
    overload,
    redis,
    scaling,
    store,
    wakeups,
    webhooks,
    workers,
)

SCENARIOS: dict[str, Scenario] = scenarios_of(
    api,
    batches,
    clients,
    devices,
    images,
    long_jobs,
    overload,
    redis,
    scaling,
    store,
    wakeups,
    webhooks,
    workers,
)
