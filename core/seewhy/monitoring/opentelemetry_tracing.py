"""Traces with OpenTelemetry, sent over OTLP. Imported only when traces are on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from seewhy.monitoring.tracing import Attribute, SpanKind, Tracing

EXPORT_TIMEOUT_S = 2.0
"""A collector that does not answer delays the end of a process by this, after its work is done."""

_PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetrySpan:
    """Implements `seewhy.monitoring.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        """Wrap a span of OpenTelemetry."""
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """What names it to other processes."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(self._span, Context()))
        return carrier.get("traceparent")

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)


class OpenTelemetryTracing:
    """Implements `seewhy.monitoring.tracing.Tracing`."""

    enabled = True

    def __init__(self, provider: TracerProvider) -> None:
        """Make spans with this provider."""
        self._provider = provider
        self._tracer = provider.get_tracer("seewhy", version("seewhy"))

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
        attributes: Mapping[str, Attribute] | None = None,
    ) -> Iterator[OpenTelemetrySpan]:
        """Begin a span, and end it after the block.

        Of an error in the block only the class is recorded: its text may hold secrets.
        """
        linked = (trace.get_current_span(_remote(link)).get_span_context() for link in links)
        span = self._tracer.start_span(
            name,
            context=_remote(parent),
            kind=trace.SpanKind[kind.upper()],
            links=[trace.Link(context) for context in linked if context.is_valid],
            attributes=attributes,
        )
        try:
            yield OpenTelemetrySpan(span)
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__qualname__)
            raise
        finally:
            span.end()

    def stop(self) -> None:
        """Send what has ended, and make no more spans."""
        self._provider.shutdown()


def open_exporter(endpoint: str, *, share: float, service: str) -> Tracing:
    """Send the spans of a share of all traces to an OTLP endpoint, in a thread.

    The share is taken by the id of the trace, so that all processes keep the same traces, and so
    that clients cannot choose theirs.
    """
    provider = TracerProvider(
        sampler=TraceIdRatioBased(share),
        resource=Resource.create({"service.name": service, "service.version": version("seewhy")}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OpenTelemetryTracing(provider)


def _remote(traceparent: str | None) -> Context:
    """Return the context of a span of another process; an empty one without a valid name."""
    return _PROPAGATOR.extract({"traceparent": traceparent or ""}, Context())
