"""The examples of docs/label-studio.md."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "label-studio.md").read_text("utf-8")


def block(language: str, *, about: str = "") -> str:
    """Return the one example of the page in a language that contains `about`."""
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    (text,) = [each for each in found if about in each]
    return str(text)
