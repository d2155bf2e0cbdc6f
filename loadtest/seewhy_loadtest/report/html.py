"""Reports as one HTML file that loads nothing."""

import re
from collections.abc import Iterable
from html import escape

from seewhy_loadtest.report.blocks import Block, Bullets, Charts, Code, Heading, Table, Text
from seewhy_loadtest.report.charts import svg

_STYLE = """\
body{font:15px/1.45 system-ui,sans-serif;max-width:1400px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}
th,td{border-bottom:1px solid #ddd;padding:3px 9px;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
th{background:#f4f5f6}
pre{background:#f4f5f6;padding:.6em 1em;overflow-x:auto;white-space:pre-wrap}
.charts{display:flex;flex-wrap:wrap;gap:14px}"""


def html(blocks: Iterable[Block]) -> str:
    """Return the page of a report."""
    body = "\n".join(map(_block, blocks))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Load test</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text):
            return f"<p>{_marked(text)}</p>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{_marked(item)}</li>' for item in items)}</ul>"
        case Table(columns, rows):
            return f"<table><tr>{_cells('th', columns)}</tr>{''.join(map(_row, rows))}</table>"
        case Charts(charts):
            return f'<div class="charts">{"".join(map(svg, charts))}</div>'


def _row(row: Iterable[str]) -> str:
    return f"<tr>{_cells('td', row)}</tr>"


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{_marked(cell)}</{tag}>" for cell in cells)


def _marked(text: str) -> str:
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", strong)
