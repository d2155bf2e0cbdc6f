"""Logging of every process: one line a message, without secrets and without forged lines."""

import logging
import re
from types import TracebackType

MAX_LINE_CHARACTERS = 2_000
REDACTED = "[redacted]"

# Control characters end or hide a line; lone surrogates cannot be written.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRETS = (
    re.compile(r"(?P<kept>authorization['\"]?\s*[:=]\s*['\"]?).+", re.IGNORECASE),
    re.compile(r"(?P<kept>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(?P<kept>\bwhsec_)[A-Za-z0-9+/=_-]+"),
    re.compile(r"(?P<kept>\bseewhy_[0-9a-f]{16}_)[0-9a-f]+"),
    re.compile(
        r"(?P<kept>\b(?:X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature)=)[^&\s'\"]+", re.IGNORECASE
    ),
    re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://)[^\s/@'\"]*:[^\s/@'\"]*(?=@)", re.IGNORECASE),
)

_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def configure_logging() -> None:
    """Write the messages of this process to stderr, from the level INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for verbose in ("httpx2", "waitress"):
        logging.getLogger(verbose).setLevel(logging.WARNING)


class SafeFormatter(logging.Formatter):
    """Escapes control characters, cuts long lines, and redacts what looks like a secret.

    A message is one line. The lines of a traceback are indented, so that none of them can be taken
    for a message.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - overrides
        """Return the line of a record."""
        return _safe_line(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - overrides
        """Return the lines of a traceback."""
        lines = super().formatException(ei).split("\n")
        return "\n".join("  " + _safe_line(line) for line in lines)


def redact(text: str) -> str:
    """Replace API keys, signing secrets, passwords in URLs, and signatures of presigned URLs."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<kept>{REDACTED}", text)
    return text


def _safe_line(line: str) -> str:
    escaped = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], redact(line))
    if len(escaped) > MAX_LINE_CHARACTERS:
        return f"{escaped[:MAX_LINE_CHARACTERS]}… ({len(escaped):,} characters)"
    return escaped
