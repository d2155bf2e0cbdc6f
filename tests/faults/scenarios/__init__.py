"""The faults, by the numbers they have in the project's list."""

from faults.scenario import Scenario, scenarios_of
from faults.scenarios import (
    api,
    clients,
    devices,
    hints,
    overload,
    pictures,
    redis,
    store,
    webhooks,
    workers,
)

SCENARIOS: dict[str, Scenario] = scenarios_of(
    api, clients, devices, hints, overload, pictures, redis, store, webhooks, workers
)
