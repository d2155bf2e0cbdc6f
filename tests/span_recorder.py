"""Keeps the spans of processes in memory."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from optionals import present
from seewhy.monitoring.opentelemetry_tracing import OpenTelemetryTracing
from seewhy.monitoring.tracing import Tracing


class SpanRecorder:
    """Keeps the spans that are made with its `tracing`."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing: Tracing = OpenTelemetryTracing(provider)

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of this name that have ended."""
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


def traceparent(number: int) -> str:
    """Return the name of a client's span."""
    return f"00-{number:032x}-{number:016x}-01"


def trace_of(span: ReadableSpan) -> int:
    """Return the id of the trace of a span."""
    return int(present(span.context).trace_id)
