"""Reports as Markdown."""

from collections.abc import Iterable

from seewhy_loadtest.report.blocks import Block, Bullets, Charts, Code, Heading, Table, Text


def markdown(blocks: Iterable[Block]) -> str:
    """Return the text of a report."""
    return "\n\n".join(filter(None, map(_block, blocks))) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Code(text):
            return f"```\n{text}\n```"
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(columns, rows):
            lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
            return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
        case Charts():
            return ""
