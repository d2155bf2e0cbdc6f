"""Some scenarios at small size; `python -m faults.run` runs all of them at full size.

`test_mutations.py` runs further ones.
"""

from pathlib import Path

import pytest

from faults.environment import BATCH_ITEMS
from faults.run import run
from faults.scenarios import SCENARIOS

QUICK = ("F3", "F4", "F9", "F10", "F11", "F12", "F13", "F39", "F40", "F42", "F44")
OWN_JOBS = {"F39": 15, "F40": BATCH_ITEMS, "F42": BATCH_ITEMS, "F44": 110}
"""How many jobs a scenario submits beside the usual load."""


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_causes_no_violation(name: str, tmp_path: Path) -> None:
    outcome = run(SCENARIOS[name], seed=1, jobs=40, directory=tmp_path)
    assert outcome.report.clean, str(outcome.report)
    assert outcome.report.accepted == 40 + OWN_JOBS.get(name, 0)


def test_the_documentation_lists_every_fault() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    assert [name for name in SCENARIOS if f"\n| {name} | " not in page] == []
