"""Process start-up shared by the API and the webhook dispatcher: logging and settings."""

import sys
from collections.abc import Callable

from seewhy.errors import SeewhyError
from seewhy.logs.configuration import configure_logging
from seewhy.settings import Settings, load


def run_with_settings(name: str, run: Callable[[Settings], None]) -> None:
    """Run a process with settings from the environment; exit with 1 and a message on failure."""
    try:
        settings = load()
        configure_logging(settings.log_format)
        run(settings)
    except SeewhyError as error:
        sys.exit(f"seewhy {name}: {error}")
