"""What a log line must not hold: secrets, characters that forge a line, endless text."""

import re

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


def redact(text: str) -> str:
    """Replace API keys, signing secrets, passwords in URLs, and signatures of presigned URLs."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<kept>{REDACTED}", text)
    return text


def safe_line(line: str) -> str:
    """Redact secrets, escape control characters, and cut a long line."""
    escaped = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], redact(line))
    if len(escaped) > MAX_LINE_CHARACTERS:
        return f"{escaped[:MAX_LINE_CHARACTERS]}… ({len(escaped):,} characters)"
    return escaped
