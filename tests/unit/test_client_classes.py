"""The blocking and the asynchronous client have the same methods, and no copy of their code."""

import inspect
from typing import Any

import pytest

from seewhy.client import AsyncClient, Client
from seewhy.client.batches import BatchOperations
from seewhy.client.blocking import run
from seewhy.client.client import Batches

PAIRS = [(Client, AsyncClient), (Batches, BatchOperations)]


def signatures(kind: type[Any]) -> dict[str, list[inspect.Parameter]]:
    return {
        name: list(inspect.signature(method).parameters.values())
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_clients_have_the_same_methods_with_the_same_parameters(
    blocking: type[Any], asynchronous: type[Any]
) -> None:
    assert signatures(blocking) == signatures(asynchronous)
    assert len(signatures(blocking)) >= 8


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_each_method_is_awaited_in_one_client_only_and_has_one_docstring(
    blocking: type[Any], asynchronous: type[Any]
) -> None:
    for name in signatures(blocking).keys() - {"close"}:
        mine, other = getattr(blocking, name), getattr(asynchronous, name)
        assert mine.__doc__ == other.__doc__
        assert not inspect.iscoroutinefunction(mine)
        assert inspect.iscoroutinefunction(other) or inspect.isasyncgenfunction(other), name


def test_the_constructors_differ_in_the_transport_only() -> None:
    first, second = (inspect.signature(kind.__init__).parameters for kind in (Client, AsyncClient))
    assert list(first) == list(second)
    assert {name for name in first if first[name] != second[name]} == {"transport"}


def test_an_operation_that_suspends_is_not_taken_for_a_finished_one() -> None:
    class Suspended:
        def __await__(self) -> Any:
            yield

    async def operation() -> None:
        await Suspended()

    with pytest.raises(AssertionError, match="does not suspend"):
        run(operation())
