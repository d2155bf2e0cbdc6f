"""Request ids: a name for each request, in its response and in the log lines about it."""

import re
import secrets
from contextlib import ExitStack

from flask import Flask, Response, g, request

from seewhy.ids import is_job_id
from seewhy.logs.context import about

HEADER = "X-Request-ID"

_VALID = re.compile(r"[A-Za-z0-9._:+/=-]{1,64}")
_RANDOM_BYTES = 16


def install(app: Flask) -> None:
    """Name every request. Call before other functions are installed, so that their lines have it.

    A client or a proxy may name its request; a name of another form is replaced.
    """
    app.before_request(_begin)
    app.after_request(_add_header)
    app.teardown_request(_end)


def current_request_id() -> str:
    """Return the id of the current request."""
    request_id: str = g.request_id
    return request_id


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _VALID.fullmatch(given) else secrets.token_hex(_RANDOM_BYTES)
    g.request_log = ExitStack()
    g.request_log.enter_context(
        about(
            request_id=g.request_id,
            job_id=_id_in_path("job_id"),
            batch_id=_id_in_path("batch_id"),
        )
    )


def _id_in_path(name: str) -> str | None:
    """Return an id in the path; None without one. Any other text in its place is not logged."""
    text: str | None = (request.view_args or {}).get(name)
    return text if text is not None and is_job_id(text) else None


def _add_header(response: Response) -> Response:
    if "request_id" in g:
        response.headers[HEADER] = g.request_id
    return response


def _end(_: BaseException | None) -> None:
    if "request_log" in g:
        g.pop("request_log").close()
