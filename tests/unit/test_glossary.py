"""The glossary defines words that the code uses."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
ENTRIES = re.findall(r"^(\*\*.+\*\*)\n: (.+)$", PAGE, re.MULTILINE)


def resolve(dotted: str) -> object:
    """Import the longest module prefix of a dotted name and look up the rest.

    Raises `AttributeError` when a part is missing.
    """
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            fields = getattr(found, "__dataclass_fields__", {}) or getattr(
                found, "model_fields", {}
            )
            found = fields[name] if name in fields else getattr(found, name)
        return found
    raise AttributeError(dotted)


def test_the_glossary_defines_twenty_eight_words() -> None:
    words = [word for terms, _ in ENTRIES for word in re.findall(r"\*\*(.+?)\*\*", terms)]
    assert len(words) == len(set(words)) == 28


@pytest.mark.parametrize(("terms", "definition"), ENTRIES, ids=[terms for terms, _ in ENTRIES])
def test_every_word_of_the_glossary_names_its_code(terms: str, definition: str) -> None:
    names = re.findall(r"Code: `([\w.]+)`", definition)
    assert len(names) == 1, f"{terms} names no code"
    assert resolve(names[0])


def test_a_name_that_does_not_exist_is_detected() -> None:
    with pytest.raises(AttributeError):
        resolve("seewhy.schemas.job.NoSuchClass")
