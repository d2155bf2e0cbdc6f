""".env.example repeats the names, defaults and descriptions of the settings."""

import re
from pathlib import Path

from seewhy.settings import PREFIX, Settings, load

EXAMPLE = Path(__file__).parents[2] / ".env.example"
LINE = re.compile(r"^(?:# )?(SEEWHY_[A-Z0-9_]+)=(.*)$")


def settings_in(text: str) -> dict[str, tuple[str, str]]:
    """Return name → (value, the joined comment lines above it)."""
    found: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if match := LINE.match(line):
            assert match[1] not in found, f"{match[1]} is listed twice"
            found[match[1]] = (match[2], " ".join(comment))
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    return found


def test_the_example_lists_exactly_the_settings() -> None:
    names = {PREFIX + field.upper() for field in Settings.model_fields}
    assert set(settings_in(EXAMPLE.read_text())) == names


def test_the_values_in_the_example_are_the_defaults() -> None:
    values = {name: value for name, (value, _) in settings_in(EXAMPLE.read_text()).items()}
    assert load(values) == load({})
    shown_empty = {name for name, value in values.items() if not value}
    assert shown_empty == {
        PREFIX + name.upper()
        for name, field in Settings.model_fields.items()
        if field.default in (None, ())
    }


def test_the_example_repeats_each_description() -> None:
    shown = settings_in(EXAMPLE.read_text())
    for name, field in Settings.model_fields.items():
        assert (field.description or "") in shown[PREFIX + name.upper()][1], name
