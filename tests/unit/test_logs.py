"""What the processes log: no secrets, and no lines that a client forged."""

import logging
import subprocess
import sys

import pytest

from seewhy.logs import MAX_LINE_CHARACTERS, SafeFormatter, redact

API_KEY = "seewhy_0123456789abcdef_" + "a1" * 32 + "deadbeef"


def logged(message: str, *arguments: object, error: BaseException | None = None) -> str:
    record = logging.LogRecord("n", logging.ERROR, "f", 1, message, arguments, None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return SafeFormatter("%(levelname)s %(name)s: %(message)s").format(record)


def raised(text: str) -> ValueError:
    """Return an error with a traceback."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text varies
        int(text)
    caught.value.args = (text,)
    return caught.value


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345", "Authorization: "),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz", "authorization"),
        ("AUTHORIZATION=token with spaces", "spaces", "AUTHORIZATION="),
        ("sent bearer abcdefgh12345 to", "abcdefgh12345", " to"),
        ("secret whsec_MfKQ9r8GKYqrTwjU/+w= used", "MfKQ9r8GKYqrTwjU", " used"),
        (f"key {API_KEY}!", "a1a1", "seewhy_0123456789abcdef_"),
        (
            "GET https://s/b/k?X-Amz-Signature=c0ffee&X-Amz-Credential=AKIA%2F1&x=2 failed",
            "c0ffee",
            "&x=2 failed",
        ),
        ("https://s/b?X-Amz-Security-Token=IQoJ", "IQoJ", "https://s/b?"),
        ("redis://:pass-word@redis:6379/0 is down", "pass-word", "@redis:6379/0 is down"),
        ("https://user:pass-word@host/path", "pass-word", "@host/path"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str, secret: str, kept: str) -> None:
    for line in (redact(text), logged("%s", text), logged(text.replace("%", "%%"))):
        assert secret not in line
        assert "[redacted]" in line
        assert kept in line
    assert secret not in logged("failed", error=raised(text))


@pytest.mark.parametrize(
    "text", ["the lane vgg16:interactive", "https://host:8000/path@x", "tiger cat", "basic test"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert logged("%s", text) == f"ERROR n: {text}"


def test_a_message_is_one_printable_line() -> None:
    hostile = "a\nERROR seewhy: forged\r\x1b[2J\x00\x85\u2028\ud800é"
    assert logged("got %s", hostile) == (
        "ERROR n: got a\\nERROR seewhy: forged\\r\\x1b[2J\\x00\\x85\\u2028\\ud800é"
    )


def test_no_line_of_a_traceback_can_be_taken_for_a_message() -> None:
    error = raised("bad\nERROR seewhy: forged")
    first, *rest = logged("failed", error=error).split("\n")
    assert first == "ERROR n: failed"
    assert all(line.startswith("  ") for line in rest)
    assert "  Traceback (most recent call last):" in rest


def test_a_long_line_is_cut() -> None:
    line = logged("%s", "x" * 1_000_000)
    assert len(line) < MAX_LINE_CHARACTERS + 50
    assert line.endswith("… (1,000,009 characters)")


def test_the_output_of_a_process_is_safe() -> None:
    code = (
        "import logging; from seewhy.logs import configure_logging; configure_logging();"
        "logging.getLogger('waitress').info('Client disconnected while serving %s', 'x');"
        "logging.getLogger('a').warning('path %s', 'a\\n\\ud800 Authorization: Bearer s3cret-key')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == "WARNING a: path a\\n\\ud800 Authorization: [redacted]\n"
