"""Some attacks at small size; `python -m faults.attacks` runs all of them at full size."""

from pathlib import Path

import pytest

from faults.attacks import ATTACKS, run


@pytest.mark.parametrize("name", ["uploads", "fields", "streams", "images"])
def test_honest_clients_are_served_during_an_attack(name: str, tmp_path: Path) -> None:
    seen = run(ATTACKS[name], jobs=30, load_s=3, directory=tmp_path)
    assert seen.clean, seen.findings
    assert seen.refused == []
    assert seen.times_ms("submit")
