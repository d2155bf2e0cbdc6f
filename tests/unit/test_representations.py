"""The entity tags of representations."""

from collections.abc import Iterator

import cv2
import PIL
import pytest

from seewhy_api.http import representations


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    representations._software.cache_clear()
    yield
    representations._software.cache_clear()


@pytest.mark.parametrize("library", [cv2, PIL])
def test_a_tag_depends_on_the_libraries_that_decode_and_encode(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = representations.entity_tag("a", 1)
    assert representations.entity_tag("a", 1) == before
    representations._software.cache_clear()
    monkeypatch.setattr(library, "__version__", "0")
    assert representations.entity_tag("a", 1) != before


def test_parts_of_a_tag_do_not_run_into_each_other() -> None:
    assert representations.entity_tag("a", "bc") != representations.entity_tag("ab", "c")
