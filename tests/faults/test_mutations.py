"""F36: a guard that is switched off is missed, by the fault that it is there for."""

from dataclasses import replace
from pathlib import Path

import pytest

from faults.guards import MUTATIONS
from faults.mutations import Unmutable, Verdict, copied, mutate, prove_sound, switch_off

JOBS = 24
QUICK = [mutation for mutation in MUTATIONS if mutation.quick]
FAULTS = sorted({mutation.fault for mutation in QUICK})
GUARDS = [mutation.guard for mutation in QUICK]


@pytest.fixture(scope="module")
def whole() -> dict[str, Verdict]:
    return prove_sound(QUICK, jobs=JOBS)


@pytest.fixture(scope="module")
def mutated(whole: dict[str, Verdict]) -> dict[str, Verdict]:
    return switch_off(QUICK, jobs=JOBS)


@pytest.mark.parametrize("fault", FAULTS)
def test_with_every_guard_on_no_promise_is_broken(whole: dict[str, Verdict], fault: str) -> None:
    assert whole[fault].passed, whole[fault].said


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_switched_off_is_missed(mutated: dict[str, Verdict], guard: str) -> None:
    assert mutated[guard].passed, mutated[guard].said


def test_every_mutation_finds_its_text() -> None:
    for mutation in MUTATIONS:
        with copied(mutation):
            pass


def test_a_mutation_whose_text_is_gone_says_so(tmp_path: Path) -> None:
    gone = replace(MUTATIONS[0], old="no such text")
    with copied() as copy, pytest.raises(Unmutable, match="0 times"):
        mutate(copy, gone)
