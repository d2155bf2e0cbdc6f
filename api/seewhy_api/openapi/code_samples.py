"""Code that calls an operation, with curl and in JavaScript. Tests run all of it.

The samples name what a reader replaces: `URL`, `KEY`, `ID`, …. In JavaScript they are `url`, `key`
and `id`, and `readFileSync` and `writeFileSync` come from `node:fs`.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from seewhy_api.openapi.declarations import JSON, PATH_PARAMETERS, Body, Operation

EVENT_STREAM = "text/event-stream"
SAMPLE_REQUEST = {"targets": "top:3"}
"""What the parts of a form with the media type JSON hold."""
SAMPLE_FILES: Mapping[str, str] = MappingProxyType(
    {"image/": "photo.jpg", "application/zip": "photos.zip"}
)
"""The start of a part's media types → the name of a file to send."""
SHELL_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "job_id": "$ID",
        "batch_id": "$BATCH_ID",
        "key_id": "$KEY_ID",
        "failed_id": "$FAILED_ID",
    }
)
"""Name of a path parameter → its value. Those of other parameters are their examples."""
JAVASCRIPT_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "job_id": "${id}",
        "batch_id": "${batchId}",
        "key_id": "${keyId}",
        "failed_id": "${failedId}",
    }
)
MAX_LINE_CHARACTERS = 90


def code_samples(
    operation: Operation, *, method: str, path: str, is_public: bool
) -> list[dict[str, str]]:
    """Return samples for each language, in the form of the extension `x-codeSamples`."""
    bodies: list[tuple[Body | None, dict[str, str]]] = [(None, {})]
    if operation.bodies:
        bodies = [(operation.bodies[0], {})]
        bodies += [(b, {"label": b.media_type}) for b in operation.bodies[1:] if b.has_sample]
    samples: list[dict[str, str]] = []
    for body, label in bodies:
        for language, write in (("Shell", _curl), ("JavaScript", _javascript)):
            source = write(operation, body, method, path, is_public=is_public)
            samples.append({"lang": language, **label, "source": source})
    return samples


def _curl(
    operation: Operation, body: Body | None, method: str, path: str, *, is_public: bool
) -> str:
    options = [] if is_public else ['-H "Authorization: Bearer $KEY"']
    if body is None:
        options += [f"-X {method}"] if method != "GET" else []
    elif body.content_types:
        for name, types in body.content_types.items():
            file = _file(types)
            value = f"@{file}" if file else f"{json.dumps(SAMPLE_REQUEST)}"
            options.append(f"-F '{name}={value}'")
    else:
        options += [f"-H 'Content-Type: {body.media_type}'", f"--data-binary '{_text(body)}'"]
    media_type = _media_type(operation)
    if media_type == EVENT_STREAM:
        options.append("--no-buffer")
    elif media_type not in {None, JSON}:
        options.append(f"-o {_file_name(path)}")
    parts = [f'curl "$URL{_address(operation, path, SHELL_VARIABLES)}"', *options]
    line = " ".join(parts)
    return line if len(line) <= MAX_LINE_CHARACTERS else " \\\n  ".join(parts)


def _javascript(
    operation: Operation, body: Body | None, method: str, path: str, *, is_public: bool
) -> str:
    lines: list[str] = []
    options = [] if method == "GET" else [f'method: "{method}",']
    headers = [] if is_public else ["Authorization: `Bearer ${key}`"]
    if body is not None and body.content_types:
        lines.append("const form = new FormData();")
        for name, types in body.content_types.items():
            lines.append(f"form.append({', '.join([json.dumps(name), *_part(types)])});")
        options.append("body: form,")
    elif body is not None:
        headers.append(f'"Content-Type": "{body.media_type}"')
        options.append(f"body: {json.dumps(_text(body))},")
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }},")
    address = f"`${{url}}{_address(operation, path, JAVASCRIPT_VARIABLES)}`"
    call = [f"const response = await fetch({address}"]
    if options:
        call = [f"{call[0]}, {{", *(f"  {option}" for option in options), "}"]
    call[-1] += ");"
    failure = "if (!response.ok) throw new Error((await response.json()).code);"
    return "\n".join([*lines, *call, failure, *_use_response(operation, path)])


def _use_response(operation: Operation, path: str) -> list[str]:
    media_type = _media_type(operation)
    if media_type == EVENT_STREAM:
        return [
            "for await (const text of response.body.pipeThrough(new TextDecoderStream())) {",
            "  console.log(text);",
            "}",
        ]
    if media_type == JSON:
        return ["console.log(await response.json());"]
    body = "Buffer.from(await response.arrayBuffer())"
    return [f'writeFileSync("{_file_name(path)}", {body});']


def _address(operation: Operation, path: str, variables: Mapping[str, str]) -> str:
    address = re.sub(r"{(\w+)}", lambda name: variables.get(name[1]) or _example(name[1]), path)
    return f"{address}?{operation.sample_query}" if operation.sample_query else address


def _example(parameter: str) -> str:
    return PATH_PARAMETERS[parameter].example or ""


def _media_type(operation: Operation) -> str | None:
    types = operation.answers[0].media_types
    return types[0] if types else None


def _file(types: str) -> str | None:
    return next((name for start, name in SAMPLE_FILES.items() if types.startswith(start)), None)


def _part(types: str) -> list[str]:
    file = _file(types)
    if file is None:
        return [f"JSON.stringify({json.dumps(SAMPLE_REQUEST)})"]
    return [f'new Blob([readFileSync("{file}")])', json.dumps(file)]


def _text(body: Body) -> str:
    example: Any = next(iter(body.examples.values()))
    return example if isinstance(example, str) else json.dumps(example)


def _file_name(path: str) -> str:
    name = re.sub(r"{(\w+)}", lambda name: _example(name[1]), path).rpartition("/")[2]
    suffixes = {
        "": "index.html",
        "overlay": ".jpg",
        "contours": ".jpg",
        "heatmap": ".png",
        "docs": ".html",
        "explanation": ".html",
        "status": ".html",
    }
    return name + suffixes.get(name, "")
