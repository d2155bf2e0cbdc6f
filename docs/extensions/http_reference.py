"""The HTTP reference, written from the OpenAPI document."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seewhy.settings import load
from seewhy_api.app import create_api
from seewhy_api.openapi.document import build_document

Row = Sequence[str]
Json = Mapping[str, Any]

LANGUAGES = {"Shell": "sh", "JavaScript": "js"}
INTRODUCTION = """\
# HTTP reference

This page is generated from the code, like the OpenAPI 3.1 document at `/openapi.json`, which a
running service shows at `/docs`. Errors are RFC 9457 problem details (`application/problem+json`)
with a stable `code`.

The samples run as they are once `URL`, `KEY`, `ID`, … are set: in a shell as variables, in
JavaScript (Node.js 18 or later; a browser differs only in where files come from) like this:

```js
import { readFileSync, writeFileSync } from "node:fs";
const { URL: url, KEY: key, ID: id, KEY_ID: keyId, BATCH_ID: batchId } = process.env;
```

For Python there is a [client](client.md).
"""


def http_reference() -> Iterator[str]:
    """Yield the lines of the page, up to the tables of error codes."""
    with tempfile.TemporaryDirectory() as folder:
        document = build_document(create_api(load({}, store_url=f"file://{folder}")).flask)
    yield INTRODUCTION
    for tag in document["tags"]:
        yield f"## {tag['name'].capitalize()}"
        yield f"\n{tag['description']}\n"
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method.upper(), path, operation)
    yield "## Schemas\n"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def table(titles: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", chr(92) + "|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {operation['summary']}\n"
    scopes = operation["security"][0]["bearer"] if operation["security"] else None
    needs = {None: "No key.", (): "Any key."}.get(
        None if scopes is None else tuple(scopes),
        f"Scopes: {', '.join(f'`{scope}`' for scope in scopes or ())}.",
    )
    yield f"`{method} {path}`. {needs}\n"
    yield f"{operation['description']}\n"
    if parameters := operation.get("parameters"):
        yield from table(
            ("parameter", "in", "type", "default", "description"), map(_parameter, parameters)
        )
    if body := operation.get("requestBody"):
        rows = [(f"`{kind}`", _type(media["schema"])) for kind, media in body["content"].items()]
        yield from table(("body", "content"), rows)
    answers = {
        status: answer for status, answer in operation["responses"].items() if int(status) < 400
    }
    yield from table(("status", "body", "meaning"), map(_answer, answers, answers.values()))
    yield f"Errors: {'; '.join(_errors(operation['responses']))}.\n"
    for sample in operation["x-codeSamples"]:
        yield f"```{LANGUAGES[sample['lang']]}\n{sample['source']}\n```\n"


def _parameter(parameter: Json) -> Row:
    schema = parameter["schema"]
    default = f"`{schema['default']}`" if "default" in schema else ""
    name = f"`{parameter['name']}`"
    return name, parameter["in"], _type(schema), default, parameter.get("description", "")


def _answer(status: str, answer: Json) -> Row:
    content = answer.get("content", {})
    kinds = [
        _type(media["schema"]) if kind == "application/json" else f"`{kind}`"
        for kind, media in content.items()
    ]
    return status, ", ".join(kinds), answer["description"]


def _errors(responses: Json) -> Iterator[str]:
    for status, response in responses.items():
        media = response.get("content", {}).get("application/problem+json")
        if int(status) >= 400 and media:
            codes = media["schema"]["allOf"][1]["properties"]["code"]["enum"]
            yield f"{status} {', '.join(f'`{code}`' for code in codes)}"


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f"(schema-{name.lower()})=\n"
    yield f"### {name}\n"
    yield f"{schema.get('description', '')}\n"
    if "properties" not in schema:
        yield f"{_type(schema)}\n"
        return
    required = schema.get("required", ())
    yield from table(
        ("field", "type", "default", "description"),
        (
            (f"`{field}`", _type(each), _default(field, each, required), _description(each))
            for field, each in schema["properties"].items()
        ),
    )


def _default(field: str, schema: Json, required: Sequence[str]) -> str:
    if field in required:
        return ""
    value = schema.get("default")
    return "" if value is None or value in ([], {}) else f"`{value}`"


def _description(schema: Json) -> str:
    text: str = schema.get("description", "")
    return text


def _type(schema: Json) -> str:
    """Describe a type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#schema-{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[key])))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    kind = schema.get("format") or schema.get("type") or "any value"
    return str(kind)
