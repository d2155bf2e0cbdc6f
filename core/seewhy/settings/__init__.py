"""The settings of all processes: `SEEWHY_…` environment variables, read in one place."""

from seewhy.settings.settings import PREFIX, Settings, load

__all__ = ["PREFIX", "Settings", "load"]
