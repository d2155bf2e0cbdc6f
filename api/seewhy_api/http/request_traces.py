"""Traces of requests: a span of each POST, whose trace goes on in the jobs that it submits."""

from contextlib import ExitStack

from flask import Flask, Response, g, request

from seewhy.monitoring.tracing import Tracing


def install(app: Flask, tracing: Tracing) -> None:
    """Make the spans; nothing at all while tracing is off."""
    if not tracing.enabled:
        return

    @app.before_request
    def begin() -> None:
        if request.method != "POST" or request.url_rule is None:
            return
        route = request.url_rule.rule
        g.request_trace = ExitStack()
        g.request_span = g.request_trace.enter_context(
            tracing.span(
                f"POST {route}",
                kind="server",
                parent=request.headers.get("traceparent"),
                attributes={
                    "http.request.method": "POST",
                    "http.route": route,
                    "seewhy.request_id": g.request_id,
                },
            )
        )

    @app.after_request
    def add_status(response: Response) -> Response:
        if "request_span" in g:
            g.request_span.set({"http.response.status_code": response.status_code})
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "request_trace" in g:
            g.pop("request_trace").close()


def current_traceparent() -> str | None:
    """Return what names the span of the current request; None without one."""
    return g.request_span.traceparent if "request_span" in g else None
