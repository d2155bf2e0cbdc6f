"""What a scenario is. Each breaks a world under load.

A scenario runs while the submitter does, returns when everything is whole again, and asserts
only what is its own: that the fault took place, and what it must not have cost. The rest, that
nothing is lost and nothing happens twice, is the checker's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from faults.world import World
from servers.poison import Poison


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One fault: how it is staged, and in which world."""

    name: str
    title: str
    stage: Callable[[World], None]
    over_s: float = 3.0
    """How long the submitter spreads its jobs."""
    workers: int = 1
    """How many are there when the load begins."""
    batch_ms: float = 50
    on_s3: bool = False
    appendfsync: str = "everysec"
    fewest: int = 0
    """How many jobs it takes for the fault to take place; fewer are made as many."""
    poisons: Sequence[Poison] = ()
    """What some of the pictures do to a faulty worker."""
    settings: Mapping[str, Any] = field(default_factory=dict)


def scenario(name: str, title: str, **world: Any) -> Callable[[Callable[[World], None]], Scenario]:
    """Make a scenario of the function that stages it."""
    return lambda stage: Scenario(name=name, title=title, stage=stage, **world)


def scenarios_of(*modules: ModuleType) -> dict[str, Scenario]:
    """Collect the scenarios of modules, in the order of their numbers."""
    found = (thing for module in modules for thing in vars(module).values())
    listed = [thing for thing in found if isinstance(thing, Scenario)]
    return {each.name: each for each in sorted(listed, key=lambda each: int(each.name[1:]))}
