"""Renders the chart for `servers.helm`, in the environment of `make helm`.

Reads requests from standard input and writes an answer to each: one line of JSON. The first
argument is the chart's folder.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

# It reads a file of 2 MB for each object.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)

MANIFESTS = {".yaml", ".yml"}


def answer(folder: str, request: dict[str, Any]) -> dict[str, Any]:
    """Render, lint or validate."""
    if "lint" in request:
        return {"messages": lint(folder, request["lint"], strict=True)["messages"]}
    if "objects" in request:
        return {"mistakes": list(_mistakes(request["objects"], request["versions"]))}
    try:
        with Chart.load(folder) as chart:
            files = chart.render(request["values"], name=request["name"], namespace="explain")
    except HelmError as error:
        return {"error": str(error)}
    return {"files": {path: text for path, text in files.items() if Path(path).suffix in MANIFESTS}}


def _mistakes(objects: list[Any], versions: list[str]) -> Any:
    for version in versions:
        for each in objects:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(map(str, error.path))
                name = f"{each['kind']} {each['metadata']['name']}"
                yield f"{version} {name}: {place} {error.message}"


for line in sys.stdin:
    print(json.dumps(answer(sys.argv[1], json.loads(line)), default=str), flush=True)
