"""Hooks of Schemathesis: what a schema cannot say about the requests that this API accepts.

Loaded by its command line. `RESOURCES` in the environment is JSON: what the server under test has.
"""

import base64
import json
import os
import re
import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

from seewhy_api.openapi.examples import EXAMPLE_ID, SMALL_PNG_BASE64
from zip_archives import archive_of

RESOURCES = json.loads(os.environ["RESOURCES"])
"""Names of path parameters → something that exists; `own_key_id` → the key of the requests."""
FORMS = {
    "batch_id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "job_id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "failed_id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "key_id": re.compile(r"[0-9a-f]{16}"),
}
"""Names of path parameters → what their schema admits. Anything else must get 404."""
BODILESS_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
IMAGE = base64.b64decode(SMALL_PNG_BASE64)

for media_type in ("image/jpeg", "image/png", "image/webp"):
    schemathesis.openapi.media_type(media_type, st.just(IMAGE))
schemathesis.openapi.media_type("application/zip", st.just(archive_of([("cat.png", IMAGE)])))


@schemathesis.serializer("application/x-ndjson")
def write_lines(_: Any, value: Any) -> bytes:
    """Send the lines of a batch as they are, and nothing for what is no text."""
    return value.encode() if isinstance(value, str) else b""


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Name resources that exist, and never the same idempotency key for two requests."""
    is_link = case.meta is not None and case.meta.phase.name == "stateful"
    for name, form in FORMS.items():
        value = case.path_parameters.get(name)
        # The key of the requests must not be revoked; links lead to the ids of examples, too.
        is_useless = value in {RESOURCES["own_key_id"], EXAMPLE_ID}
        if value is not None and (is_useless or (not is_link and form.fullmatch(str(value)))):
            case.path_parameters[name] = RESOURCES[name]
    if 0 < len(case.headers.get("Idempotency-Key", "")) <= 255:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if case.media_type != "application/x-ndjson":
        case.query.pop("request", None)  # only lines take it from there
    if case.method in BODILESS_METHODS:
        case.body = NOT_SET  # the server refuses a body before it chooses a route


@schemathesis.hook
def filter_failure(_: Any, failure: Any, __: Any, ___: Any) -> bool:
    """Accept that too many invalid keys get 429; Schemathesis knows 401 and 403 only."""
    is_refusal = "got `429 Too Many Requests`" in str(failure.message)
    return not (is_refusal and type(failure).__name__ == "IgnoredAuth")
