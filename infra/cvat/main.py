"""The entry point of the nuclio function: docs/cvat.md says how to deploy it."""

import os
from pathlib import Path
from typing import Any

import yaml

from seewhy.cvat.nuclio import NuclioFunction


def init_context(context: Any) -> None:
    """Read the labels from the `function.yaml` beside this file, and the options."""
    path = Path(__file__).with_name("function.yaml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec = document["metadata"]["annotations"]["spec"]
    context.user_data.function = NuclioFunction(spec, os.environ.get("OPTIONS", "{}"))


def handler(context: Any, event: Any) -> Any:
    """Answer a request of CVAT's server for a frame."""
    answer = context.user_data.function.answer(event.body)
    return context.Response(
        body=answer.body,
        headers={},
        content_type="application/json",
        status_code=answer.status,
    )
