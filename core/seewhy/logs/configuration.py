"""How a process logs: to stderr, from the level INFO on."""

import logging
import sys
import threading
from types import TracebackType
from typing import Literal

from seewhy.logs.formatters import JsonFormatter, SafeFormatter

LogFormat = Literal["auto", "text", "json"]

_log = logging.getLogger("seewhy")


def configure_logging(log_format: LogFormat = "auto") -> None:
    """Write the messages of this process, warnings and uncaught errors to stderr.

    `auto` means text on a terminal, and JSON elsewhere.
    """
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter() if log_format == "text" else JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for verbose in ("httpx2", "waitress"):
        logging.getLogger(verbose).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    _log.critical("Uncaught error", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
        name = arguments.thread.name if arguments.thread else "a thread that has ended"
        _log.critical("Uncaught error in the thread %s", name, exc_info=arguments.exc_value)
