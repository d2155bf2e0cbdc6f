"""The process behind `servers.s3`: `python s3_process.py ACCESS_KEY_ID SECRET REGION`.

Prints its port and serves until standard input is closed.
"""

import hashlib
import hmac
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.datastructures import EnvironHeaders
from werkzeug.serving import make_server

TIMESTAMP = "%Y%m%dT%H%M%SZ"
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES_S = 7 * 86_400

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Refusal(Exception):
    """A refused request; `args` are the S3 error code and message."""


class _SignedHeadersOnly:
    """Canonicalizes exactly the headers that the client lists as signed."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


class HeaderSignature(_SignedHeadersOnly, S3SigV4Auth):
    """Recomputes the signature of an `Authorization` header."""


class QuerySignature(_SignedHeadersOnly, S3SigV4QueryAuth):
    """Recomputes the signature in a presigned URL."""


class SignatureCheck:
    """WSGI middleware: only correctly signed requests reach `app`."""

    def __init__(self, app: WsgiApp, *, credentials: Credentials, region: str) -> None:
        self._app = app
        self._credentials = credentials
        self._region = region

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve correctly signed requests and CORS preflights; refuse all others with 403."""
        try:
            if environ["REQUEST_METHOD"] != "OPTIONS":
                self._check(environ)
        except Refusal as refusal:
            code, message = refusal.args
            body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()]
        return self._app(environ, start_response)

    def _check(self, environ: dict[str, Any]) -> None:
        query = environ.get("QUERY_STRING", "")
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if authorization.startswith("AWS4-HMAC-SHA256 "):
            _check_payload(environ)
            given = dict(
                part.strip().partition("=")[::2]
                for part in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(",")
            )
            self._compare(environ, query, given, environ.get("HTTP_X_AMZ_DATE", ""), None)
        elif "X-Amz-Signature=" in query:
            values = {name: value[0] for name, value in parse_qs(query).items()}
            given = {
                name: values.get(f"X-Amz-{name}", "")
                for name in ("Credential", "SignedHeaders", "Signature")
            }
            unsigned = "&".join(
                pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature=")
            )
            expires = values.get("X-Amz-Expires", "")
            self._compare(environ, unsigned, given, values.get("X-Amz-Date", ""), expires)
        else:
            raise Refusal("AccessDenied", "The request is not signed.")

    def _compare(
        self,
        environ: dict[str, Any],
        query: str,
        given: dict[str, str],
        date: str,
        expires: str | None,
    ) -> None:
        access_key_id, _, scope = given.get("Credential", "").partition("/")
        if access_key_id != self._credentials.access_key:
            raise Refusal("InvalidAccessKeyId", "Unknown access key.")
        if scope != f"{date[:8]}/{self._region}/s3/aws4_request":
            raise Refusal("AuthorizationHeaderMalformed", f"The credential scope is {scope!r}.")
        auth = (HeaderSignature if expires is None else QuerySignature)(
            self._credentials, "s3", self._region
        )
        request = _request(environ, query, given.get("SignedHeaders", ""))
        request.context["timestamp"] = date
        to_sign = auth.string_to_sign(request, auth.canonical_request(request))
        if not hmac.compare_digest(auth.signature(to_sign, request), given.get("Signature", "")):
            raise Refusal("SignatureDoesNotMatch", "The signature does not match.")
        _check_time(date, expires)


def _request(environ: dict[str, Any], query: str, signed_headers: str) -> AWSRequest:
    path = environ["REQUEST_URI"].partition("?")[0]
    headers = EnvironHeaders(environ)
    return AWSRequest(
        method=environ["REQUEST_METHOD"],
        # Like S3, which reads + in a query as a space, and signs a space as %20.
        url=f"http://{environ['HTTP_HOST']}{path}?{query.replace('+', '%20')}",
        headers={name: headers.get(name, "") for name in signed_headers.split(";")},
    )


def _check_time(date: str, expires: str | None) -> None:
    now = datetime.now(UTC)
    signed = datetime.strptime(date, TIMESTAMP).replace(tzinfo=UTC)
    if signed > now + MAX_SKEW or (expires is None and signed < now - MAX_SKEW):
        raise Refusal("RequestTimeTooSkewed", "The clocks differ by too much.")
    if expires is None:
        return
    if not expires.isdecimal() or not 1 <= int(expires) <= MAX_EXPIRES_S:
        raise Refusal("AuthorizationQueryParametersError", "X-Amz-Expires is out of range.")
    if now > signed + timedelta(seconds=int(expires)):
        raise Refusal("AccessDenied", "Request has expired")


def _check_payload(environ: dict[str, Any]) -> None:
    claimed = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if len(claimed) != 64:
        return
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if hashlib.sha256(body).hexdigest() != claimed:
        raise Refusal("XAmzContentSHA256Mismatch", "The body differs from the signed one.")


def main(access_key_id: str, secret_access_key: str, region: str) -> None:
    """Serve until standard input is closed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = SignatureCheck(
        DomainDispatcherApplication(create_backend_app),
        credentials=Credentials(access_key_id, secret_access_key),
        region=region,
    )
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
