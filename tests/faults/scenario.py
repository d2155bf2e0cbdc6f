"""A scenario: one fault, injected into an environment under load.

A scenario runs alongside the submitter and returns when the fault is over. It asserts only its
specifics: that the fault occurred, and what it must not affect. The checker covers the rest:
nothing is lost and nothing happens twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from faults.environment import Environment
from servers.poison import Poison


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A fault and the environment that it needs."""

    name: str
    title: str
    inject: Callable[[Environment], None]
    load_s: float = 3.0
    """The time over which the submitter spreads its jobs."""
    workers: int = 1
    """Workers that are ready before the load starts."""
    clock_skews_s: Sequence[float] = ()
    """One more such worker for each number, whose clock is fast by so many seconds."""
    batch_ms: float = 50
    on_s3: bool = False
    appendfsync: str = "everysec"
    min_jobs: int = 0
    """The fewest jobs with which the fault occurs; smaller runs are raised to this number."""
    poisons: Sequence[Poison] = ()
    """The poison images among the jobs."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    queue_limit_per_item: float | None = None
    """How many jobs of a tenant may be open for each item of a batch, or None for any number."""

    def settings_for(self, batch_items: int) -> dict[str, Any]:
        """Return the settings of a run whose batches have so many items."""
        if self.queue_limit_per_item is None:
            return dict(self.settings)
        limit = round(self.queue_limit_per_item * batch_items)
        return {**self.settings, "tenant_queue_limit": limit}


def scenario(
    name: str, title: str, **options: Any
) -> Callable[[Callable[[Environment], None]], Scenario]:
    """Decorate the function that injects the fault; `options` are fields of `Scenario`."""
    return lambda inject: Scenario(name=name, title=title, inject=inject, **options)


def scenarios_of(*modules: ModuleType) -> dict[str, Scenario]:
    """Collect the scenarios of modules, ordered by number."""
    values = (value for module in modules for value in vars(module).values())
    found = [value for value in values if isinstance(value, Scenario)]
    return {each.name: each for each in sorted(found, key=lambda each: int(each.name[1:]))}
