"""Opens what makes the spans of a process, as its settings say."""

from seewhy.errors import SettingsError
from seewhy.monitoring.tracing import NoTracing, Tracing
from seewhy.settings import Settings


def open_tracing(settings: Settings, *, service: str) -> Tracing:
    """Return what makes the spans of a process, by default nothing. Call after a fork.

    Raises `SettingsError` when traces are on, and the extra `tracing` is not installed.
    """
    if settings.traces_endpoint is None:
        return NoTracing()
    try:
        from seewhy.monitoring.opentelemetry_tracing import open_exporter  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            "SEEWHY_TRACES_ENDPOINT needs OpenTelemetry: pip install 'seewhy[tracing]'"
        ) from error
    return open_exporter(
        settings.traces_endpoint, share=settings.traces_share, service=f"seewhy-{service}"
    )
