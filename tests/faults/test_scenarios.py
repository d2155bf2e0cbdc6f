"""A few scenarios at small size; `python -m faults.run` stages all of them at full size.

`test_mutations.py` stages some more, to prove its copies sound.
"""

from pathlib import Path

import pytest

from faults.run import run
from faults.scenarios import SCENARIOS

QUICK = ("F3", "F4", "F9", "F10", "F11", "F12", "F13")


@pytest.mark.parametrize("name", QUICK)
def test_no_promise_is_broken(name: str, tmp_path: Path) -> None:
    outcome = run(SCENARIOS[name], seed=1, jobs=40, directory=tmp_path)
    assert outcome.report.clean, str(outcome.report)
    assert outcome.report.promised == 40


def test_every_fault_is_listed_among_the_promises() -> None:
    told = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    assert [name for name in SCENARIOS if f"\n| {name} | " not in told] == []
