"""F36: disabling a guard makes the fault that it protects against fail."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from faults.guard_mutations import MUTATIONS, Mutation
from faults.mutations import (
    MutationError,
    RunResult,
    mutated,
    run_all_mutants,
    run_all_unmodified,
)

JOBS = 24
QUICK = [mutation for mutation in MUTATIONS if mutation.quick]
SCENARIOS = [mutation for mutation in QUICK if not mutation.is_test]  # tests run anyway
FAULTS = sorted({mutation.fault for mutation in SCENARIOS})
GUARDS = [mutation.guard for mutation in QUICK]


@pytest.fixture(scope="module")
def unmodified() -> dict[str, RunResult]:
    return run_all_unmodified(SCENARIOS, jobs=JOBS)


@pytest.fixture(scope="module")
def mutants(unmodified: dict[str, RunResult]) -> dict[str, RunResult]:
    return run_all_mutants(QUICK, jobs=JOBS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_passes_with_every_guard(unmodified: dict[str, RunResult], fault: str) -> None:
    assert unmodified[fault].passed, unmodified[fault].output


@pytest.mark.parametrize("guard", GUARDS)
def test_a_fault_fails_without_its_guard(mutants: dict[str, RunResult], guard: str) -> None:
    assert mutants[guard].passed, mutants[guard].output


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard)
def test_the_text_of_a_mutation_occurs_once(mutation: Mutation) -> None:
    assert mutation.old not in mutated(mutation)


def test_a_mutation_whose_text_is_gone_is_refused() -> None:
    with pytest.raises(MutationError, match="0 times"):
        mutated(replace(MUTATIONS[0], old="no such text"))


def test_the_documentation_lists_every_guard() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text("utf-8")
    found_by = r"F\d+|`tests/[a-z_/]+\.py`"
    rows = re.findall(rf"^\| ([^|]+) \| ({found_by}) \| [^|]+ \|$", page, re.MULTILINE)
    listed = [(guard.replace("`", ""), fault.strip("`")) for guard, fault in rows]
    assert listed == [
        (each.guard, f"tests/{each.fault.partition('::')[0]}" if each.is_test else each.fault)
        for each in MUTATIONS
    ]
