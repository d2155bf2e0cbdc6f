"""The two forms of a log line: text for people, JSON for machines. Both hold no secrets."""

import json
import logging
from datetime import UTC, datetime
from types import TracebackType

from seewhy.logs.context import log_context
from seewhy.logs.redaction import safe_line

MAX_TRACEBACK_LINES = 100
"""The last ones, which name the error, are kept."""

_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class SafeFormatter(logging.Formatter):
    """Escapes control characters, cuts long lines, and redacts what looks like a secret.

    A message is one line, with what it is about at its end. The lines of a traceback are indented,
    so that none of them can be taken for a message.
    """

    def __init__(self) -> None:
        """Format as text."""
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides
        """Return the line of a record."""
        ids = " ".join(
            f"{name}={value if isinstance(value, str) else ','.join(value)}"
            for name, value in log_context().items()
        )
        line = safe_line(super().formatMessage(record))
        return f"{line} [{safe_line(ids)}]" if ids else line

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - overrides
        """Return the last lines of a traceback."""
        lines = super().formatException(ei).split("\n")[-MAX_TRACEBACK_LINES:]
        return "\n".join("  " + safe_line(line) for line in lines)


class JsonFormatter(SafeFormatter):
    """Writes a record, with its traceback, as one line: a JSON object.

    `time` (UTC, RFC 3339), `level`, `logger`, `message` and `pid`; `request_id`, `job_id` and so on
    where the line is about a request or a job; `exception` with a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": safe_line(record.getMessage()),
            "pid": record.process,
        }
        for name, value in log_context().items():
            line[name] = safe_line(value) if isinstance(value, str) else list(map(safe_line, value))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
