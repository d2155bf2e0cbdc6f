"""What a notebook shows of an explanation: a page in a frame, or what needs no script."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FRAME_HEIGHT_PX = 720


@dataclass(frozen=True, kw_only=True)
class Display:
    """What there is to show."""

    title: str
    rows: Sequence[tuple[str, str, str]] = ()
    """Class, probability and verdict of each target."""
    note: str = ""
    """Why there is no image."""
    overlay: bytes | None = None
    """The overlay of the first target as JPEG."""
    page: str | None = None
    """The HTML file of the explanation."""

    def mimebundle(self) -> dict[str, Any]:
        """Return what it shows by media type; the front end of the notebook chooses."""
        bundle = {"text/plain": self._text(), "text/html": self._html()}
        if self.overlay is not None:
            bundle["image/jpeg"] = base64.b64encode(self.overlay).decode()
        return bundle

    def _text(self) -> str:
        rows = [f"  {label}: {', '.join(others)}" for label, *others in self.rows]
        return "\n".join((self.title, *([f"  {self.note}"] if self.note else []), *rows))

    def _html(self) -> str:
        """Return the page in a frame, and below it what is left where frames are removed.

        Scripts of an output run in the frame only, and there without access to the notebook.
        """
        image = note = ""
        if self.overlay is not None:
            jpeg = base64.b64encode(self.overlay).decode()
            image = f'<img alt="overlay" src="data:image/jpeg;base64,{jpeg}">'
        if self.note:
            note = f"<p>{html.escape(self.note)}</p>"
        rows = "".join(map(_row, self.rows))
        static = f"{note}{image}<table>{rows}</table>"
        title = html.escape(self.title)
        if self.page is None:
            return f"<div><p>{title}</p>{static}</div>"
        return (
            f"<div>{_frame(self.page)}<details><summary>{title}</summary>{static}</details></div>"
        )


def _frame(page: str) -> str:
    source = page.replace("&", "&amp;").replace("'", "&#39;")
    return (
        f'<iframe title="Why the model said that" width="100%" height="{FRAME_HEIGHT_PX}" '
        f'frameborder="0" sandbox="allow-scripts" srcdoc=\'{source}\'></iframe>'
    )


def _row(row: tuple[str, str, str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
