"""The examples of docs/label-studio.md."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "label-studio.md").read_text("utf-8")


def block(language: str) -> str:
    """Return the one example of the page in a language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(text)
