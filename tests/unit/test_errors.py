"""The error tree: its drawing, its codes and its docstrings agree."""

import inspect
import re

import pytest

from seewhy import errors
from seewhy.errors import SeewhyError


def subclasses(parent: type[SeewhyError], depth: int = 0) -> list[tuple[int, str, str]]:
    """List the classes of `seewhy.errors` below `parent`: depth, name, summary; in source order."""
    found = []
    for child in parent.__subclasses__():
        if child.__module__.startswith(f"{errors.__name__}."):
            found.append((depth, child.__name__, (child.__doc__ or "").splitlines()[0]))
            found.extend(subclasses(child, depth + 1))
    return found


def defined() -> list[type[SeewhyError]]:
    classes = [class_ for _, class_ in inspect.getmembers(errors, inspect.isclass)]
    return [class_ for class_ in classes if issubclass(class_, SeewhyError)]


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^([│ ]*)[├└]── (\w+) +(\S.*)$", errors.__doc__ or "", re.MULTILINE)
    assert [(len(indent) // 4, name, text) for indent, name, text in drawn] == subclasses(
        SeewhyError
    )


@pytest.mark.parametrize("kind", defined(), ids=lambda kind: kind.__name__)
def test_a_code_is_the_class_name_in_snake_case(kind: type[SeewhyError]) -> None:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
    assert kind.code == ("internal_error" if kind is SeewhyError else snake)


def test_only_temporary_errors_are_retryable() -> None:
    assert {kind.code for kind in defined() if kind.retryable} == {
        "idempotency_key_busy",
        "image_unreachable",
        "ledger_unavailable",
        "model_not_served",
        "out_of_memory",
        "overloaded",
        "queue_full",
        "quota_exceeded",
        "result_not_ready",
        "store_unavailable",
        "tenant_queue_full",
        "tenant_records_full",
        "too_many_downloads",
        "too_many_failures",
        "too_many_large_bodies",
        "too_many_listings",
        "too_many_predictions",
        "too_many_renderings",
        "too_many_redeliveries",
        "too_many_batch_downloads",
        "too_many_batch_uploads",
        "too_many_batches",
        "too_many_streams",
        "unavailable",
    }
