"""What goes wrong with OpenVINO. Imports neither OpenVINO nor TensorFlow."""

from seewhy_worker.ports.failures import EngineFailed


class ConversionFailed(EngineFailed):
    """OpenVINO cannot convert or compile a network."""


def reason(error: Exception) -> str:
    """Return what OpenVINO found wrong, without the places in its sources."""
    lines = [line.strip() for line in str(error).splitlines()]
    found = [line for line in lines if line and not line.startswith(("Check ", "Exception from "))]
    return " ".join(found)[:500] or type(error).__name__
