"""How the processes of this package start: with settings, or one sentence on what is wrong."""

import logging
import sys
from collections.abc import Callable

from seewhy.errors import SeewhyError
from seewhy.settings import Settings, load


def run_with_settings(name: str, run: Callable[[Settings], None]) -> None:
    """Run a process with the settings of the environment; exit with 1 when they are wrong."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        run(load())
    except SeewhyError as error:
        sys.exit(f"seewhy {name}: {error}")
