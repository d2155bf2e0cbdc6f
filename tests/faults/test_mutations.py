"""F36: a guard that is switched off is missed, by the fault that it is there for."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from faults.guards import MUTATIONS, Mutation
from faults.mutations import Unmutable, Verdict, mutated, prove_sound, switch_off

JOBS = 24
QUICK = [mutation for mutation in MUTATIONS if mutation.quick]
FAULTS = sorted({mutation.fault for mutation in QUICK})
GUARDS = [mutation.guard for mutation in QUICK]


@pytest.fixture(scope="module")
def whole() -> dict[str, Verdict]:
    return prove_sound(QUICK, jobs=JOBS)


@pytest.fixture(scope="module")
def bitten(whole: dict[str, Verdict]) -> dict[str, Verdict]:
    return switch_off(QUICK, jobs=JOBS)


@pytest.mark.parametrize("fault", FAULTS)
def test_with_every_guard_on_no_promise_is_broken(whole: dict[str, Verdict], fault: str) -> None:
    assert whole[fault].passed, whole[fault].said


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_switched_off_is_missed(bitten: dict[str, Verdict], guard: str) -> None:
    assert bitten[guard].passed, bitten[guard].said


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard)
def test_a_mutation_finds_its_text(mutation: Mutation) -> None:
    assert mutation.old not in mutated(mutation)


def test_a_mutation_whose_text_is_gone_says_so() -> None:
    with pytest.raises(Unmutable, match="0 times"):
        mutated(replace(MUTATIONS[0], old="no such text"))


def test_the_page_lists_every_guard_that_is_switched_off() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (F\d+) \| [^|]+ \|$", page, re.MULTILINE)
    listed = [(guard.replace("`", ""), fault) for guard, fault in rows]
    assert listed == [(mutation.guard, mutation.fault) for mutation in MUTATIONS]
