"""How a route describes itself: what it takes and answers, which errors it has, what comes next.

The summary and the description of an operation are the docstring of its view. The scopes come from
`seewhy_api.http.auth`, the statuses of errors from `seewhy_api.http.problems`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from seewhy.errors import ExplanationGone, LedgerUnavailable, SeewhyError, UnknownExplanation
from seewhy_api.inspector.assets import NAMES
from seewhy_api.openapi.examples import EXAMPLE_ID
from seewhy_api.openapi.viewer_assets import MEDIA_TYPES
from seewhy_api.streaming.event_stream import EVENT_ID_PATTERN

View = TypeVar("View", bound=Callable[..., Any])
JsonSchema = Mapping[str, Any]

_OPERATION = "openapi_operation"
JSON = "application/json"

JOB_ERRORS = (UnknownExplanation, ExplanationGone, LedgerUnavailable)
"""What every route answers that looks up an explanation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter in the path or in a header."""

    description: str
    schema: JsonSchema
    example: str | None = None


PATH_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "job_id": Parameter(
            description="The id of an explanation.",
            schema={"type": "string", "format": "uuid"},
            example=EXAMPLE_ID,
        ),
        "batch_id": Parameter(
            description="The id of a batch.",
            schema={"type": "string", "format": "uuid"},
            example=EXAMPLE_ID,
        ),
        "name": Parameter(
            description="The name of a model.",
            schema={"type": "string"},
            example="efficientnet-lite0",
        ),
        "asset": Parameter(
            description="The name of a file of the viewer.",
            schema={"type": "string", "enum": list(MEDIA_TYPES)},
            example="start.js",
        ),
        "version_of_page": Parameter(
            description="The version in the addresses of the inspector's page.",
            schema={"type": "string"},
            example="latest",
        ),
        "file": Parameter(
            description="The name of a file of the inspector.",
            schema={"type": "string", "enum": list(NAMES)},
            example="app.js",
        ),
        "project": Parameter(
            description="The id of a project in Label Studio.",
            schema={"type": "string"},
            example="4",
        ),
        "failed_id": Parameter(
            description="The id of a failed job.",
            schema={"type": "string", "format": "uuid"},
            example=EXAMPLE_ID,
        ),
        "key_id": Parameter(
            description="The public id of an API key.",
            schema={"type": "string", "pattern": "^[0-9a-f]{16}$"},
        ),
    }
)
"""Name in a URL rule → what it is."""

REQUEST_HEADERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "Idempotency-Key": Parameter(
            description="A retry with the same key and request returns the first explanation.",
            schema={"type": "string", "minLength": 1, "maxLength": 255},
            example="task-7",
        ),
        "Prefer": Parameter(
            description="`wait=N` waits up to N seconds, at most 30, for the outcome (RFC 7240). "
            "Other preferences are ignored.",
            schema={"type": "string"},
            example="wait=10",
        ),
        "If-None-Match": Parameter(
            description="Entity tags of what the client has. With one of them, the answer is 304.",
            schema={"type": "string"},
            example='"0f343b0931126a20f133d67c2b018a3b"',
        ),
        "X-Request-ID": Parameter(
            description="A name for this request in the log lines about it and its job: at most 64 "
            "letters, digits and `._:+/=-`. Any other is replaced.",
            schema={"type": "string"},
            example="label-run-7",
        ),
        "Last-Event-ID": Parameter(
            description="The id of the last event that was received: the stream continues there.",
            schema={"type": "string", "pattern": EVENT_ID_PATTERN},
        ),
    }
)

RESPONSE_HEADERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "Location": Parameter(
            description="The path of the explanation or batch.",
            schema={"type": "string", "format": "uri-reference"},
        ),
        "Retry-After": Parameter(
            description="Seconds to wait before the next request.",
            schema={"type": "integer", "minimum": 0},
        ),
        "RateLimit": Parameter(
            description="What is left of the API key's quotas of a minute.",
            schema={"type": "string"},
            example='"submissions";r=5999;t=67, "forward-passes";r=99487;t=67',
        ),
        "RateLimit-Policy": Parameter(
            description="The API key's quotas of a minute.",
            schema={"type": "string"},
            example='"submissions";q=6000;w=60, "forward-passes";q=100000;w=60;qu="forward-passes"',
        ),
        "X-Request-ID": Parameter(
            description="The name of the request in log lines: the client's, or a random one.",
            schema={"type": "string"},
            example="label-run-7",
        ),
        "WWW-Authenticate": Parameter(
            description="What the credentials lack (RFC 6750).", schema={"type": "string"}
        ),
        "ETag": Parameter(
            description="A strong tag of this representation.",
            schema={"type": "string"},
            example='"0f343b0931126a20f133d67c2b018a3b"',
        ),
        "Vary": Parameter(
            description="The request headers that select it.", schema={"type": "string"}
        ),
        "Cache-Control": Parameter(
            description="How long a client may keep it.", schema={"type": "string"}
        ),
        "Content-Disposition": Parameter(description="A file name.", schema={"type": "string"}),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """One form of a request's body."""

    model: Any
    """A type that pydantic describes."""
    media_type: str = JSON
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Name → a value of the body."""
    content_types: Mapping[str, str] = field(default_factory=dict)
    """For multipart: name of a part → its content types."""
    has_sample: bool = False
    """Whether code samples show it; they show the first body of each operation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What a client can do next: another operation, and its parameters taken from the response."""

    operation_id: str
    parameters: Mapping[str, str]
    """Name → an expression, such as `$response.body#/id`."""


def job_links(*operation_ids: str) -> tuple[Link, ...]:
    """Link a response whose body is an explanation to other operations on it."""
    return tuple(
        Link(operation_id=name, parameters={"job_id": "$response.body#/id"})
        for name in operation_ids
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A response that is not an error."""

    description: str
    status: HTTPStatus = HTTPStatus.OK
    model: Any = None
    """The type of a JSON body; None for files and for no body."""
    media_types: tuple[str, ...] = (JSON,)
    """Empty: no body."""
    examples: tuple[str, ...] = ()
    """Names in `seewhy_api.openapi.examples.RESPONSES`."""
    headers: tuple[str, ...] = ()
    """Names in `RESPONSE_HEADERS`."""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """The description of a route."""

    id: str
    """Unique and stable: generated clients name their functions by it."""
    tag: str
    answers: tuple[Answer, ...]
    query: type[BaseModel] | None = None
    """Each field is a query parameter."""
    headers: tuple[str, ...] = ()
    """Names in `REQUEST_HEADERS`."""
    bodies: tuple[Body, ...] = ()
    errors: tuple[type[SeewhyError], ...] = ()
    """What the route raises, each with its subclasses.

    Those of authentication are added, and a plain `InvalidRequest`."""
    sample_query: str = ""
    """The query in the code samples."""
    errors_of_path: tuple[type[SeewhyError], ...] = ()
    """What the path can name wrongly: a 404, whatever the status elsewhere."""
    errors_as_pages: bool = False
    """Whether browsers get errors as pages."""


def describe(operation: Operation) -> Callable[[View], View]:
    """Attach its description to a view."""

    def attach(view: View) -> View:
        setattr(view, _OPERATION, operation)
        return view

    return attach


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return the description of a view; None if it has none."""
    operation: Operation | None = getattr(view, _OPERATION, None)
    return operation
