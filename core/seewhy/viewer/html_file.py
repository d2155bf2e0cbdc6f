"""Write an explanation as one HTML file, which loads nothing and sends nothing."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from seewhy.schemas.words import percent
from seewhy.viewer.assets import STYLE, read_asset, read_modules, read_source
from seewhy.viewer.source_text import join_modules, shorten_script, shorten_style

_SCRIPTS = ("form.js", "standalone.js")
"""The modules that only the file has, each after those that it imports."""

_SHOWN = ("id", "model", "submitted_at", "finished_at", "result")
"""The fields that the file holds. Others may be private, such as metadata and webhooks."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{subtitle}</p>
{photo}
<table>
<caption>Classes</caption>
<tr><th scope="col">Class</th><th scope="col">Probability</th><th scope="col">Map</th></tr>
{rows}
</table>
<p>The map needs JavaScript, which is turned off here.</p>
</main>
<script type="application/json" id="explanation">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def html_file(
    explanation: Mapping[str, Any],
    *,
    maps: Sequence[bytes],
    photo: bytes | None = None,
    photo_type: str = "image/jpeg",
    view: Mapping[str, Any] | None = None,
) -> str:
    """Return the HTML file of a succeeded explanation, as the service returns explanations.

    `maps` are the `.npy` files of `result` and of its `other_maps`, in this order; `photo` is the
    upright image at any size, None if there is none. `view` says what is shown first: `set` (an
    index into `maps`), `target`, `colormap`, `opacity`, `polarity`, `threshold`
    (`{"kind": …, "value": …}`) and `scale`.

    The policy in the file allows its own script and style only, by their hashes. Text of the
    explanation is never read as HTML.
    """
    result = explanation["result"]
    script, style = _script(), _style()
    data = {name: explanation.get(name) for name in _SHOWN} | {
        "maps": [base64.b64encode(body).decode() for body in maps],
        "view": dict(view or {}),
    }
    return _PAGE.format(
        policy=html.escape(_policy(script, style)),
        title=html.escape(_title(result["targets"])),
        subtitle=html.escape(f"{result['method']} · {explanation['model']} · {result['layer']}"),
        photo=_image(photo, photo_type),
        rows="\n".join(map(_row, result["targets"])),
        data=_embedded_json(data),
        script=script,
        style=style,
    )


@cache
def _script() -> str:
    """Return the viewer and the page as one script."""
    modules = (*read_modules(), *map(read_source, _SCRIPTS))
    script = f"\n{shorten_script(join_modules(modules, has_exports=False))}"
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the script would end early in HTML")
    return script


@cache
def _style() -> str:
    return f"\n{read_asset(STYLE).decode()}{shorten_style(read_source('standalone.css'))}"


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded_json(data: Any) -> str:
    """Return JSON in ASCII that contains no character with a meaning in HTML."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _title(targets: Sequence[Mapping[str, Any]]) -> str:
    if not targets:
        return "An explanation without targets"
    return f"{_label(targets[0])}: {percent(targets[0]['score']['probability'])}"


def _label(target: Mapping[str, Any]) -> str:
    label: str = target["score"]["label"]
    if target.get("against"):
        return f"against {label}"
    rivals = ", ".join(rival["label"] for rival in target.get("rivals", ()))
    return f"{label}, not {rivals}" if rivals else label


def _image(photo: bytes | None, media_type: str) -> str:
    if photo is None:
        return ""
    body = base64.b64encode(photo).decode()
    return f'<img id="photo" alt="The explained image" src="data:{media_type};base64,{body}">'


def _row(target: Mapping[str, Any]) -> str:
    cells = (percent(target["score"]["probability"]), target["verdict"])
    texts = "".join(f"<td>{html.escape(text)}</td>" for text in cells)
    return f'<tr><th scope="row">{html.escape(_label(target))}</th>{texts}</tr>'
