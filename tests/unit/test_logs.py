"""What the processes log: no secrets, and no lines that a client forged."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from seewhy.logs.context import about, log_context
from seewhy.logs.formatters import MAX_TRACEBACK_LINES, JsonFormatter, SafeFormatter
from seewhy.logs.redaction import MAX_LINE_CHARACTERS, redact

API_KEY = "seewhy_0123456789abcdef_" + "a1" * 32 + "deadbeef"


def recorded(
    message: str, *arguments: object, error: BaseException | None = None
) -> logging.LogRecord:
    record = logging.LogRecord("n", logging.ERROR, "f", 1, message, arguments, None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def logged(message: str, *arguments: object, error: BaseException | None = None) -> str:
    return SafeFormatter().format(recorded(message, *arguments, error=error))


def logged_json(
    message: str, *arguments: object, error: BaseException | None = None
) -> dict[str, Any]:
    line = JsonFormatter().format(recorded(message, *arguments, error=error))
    assert line.isprintable(), "one line"
    return dict(json.loads(line))


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
    lines = (redact(text), logged("%s", text), logged(text.replace("%", "%%")))
    for line in (*lines, logged_json("%s", text)["message"]):
        assert secret not in line
        assert "[redacted]" in line
        assert kept in line
    assert secret not in logged("failed", error=raised(text))
    assert secret not in logged_json("failed", error=raised(text))["exception"]


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


def test_a_line_names_what_its_thread_works_on() -> None:
    with about(request_id="r1"):
        with about(job_id="j1", job_ids=["j1", "j2"]):
            assert logged("late") == "ERROR n: late [request_id=r1 job_id=j1 job_ids=j1,j2]"
            line = logged_json("late")
            assert (line["request_id"], line["job_ids"]) == ("r1", ["j1", "j2"])
        with about(request_id=None):
            assert logged("late") == "ERROR n: late"
        assert log_context() == {"request_id": "r1"}
    assert "request_id" not in logged_json("late")


def test_ids_hold_no_secrets_and_no_forged_lines() -> None:
    with about(job_id=f"x\n{API_KEY}", job_ids=["y\nz"]):
        line = logged_json("late")
        assert (line["job_id"], line["job_ids"]) == (
            "x\\nseewhy_0123456789abcdef_[redacted]",
            ["y\\nz"],
        )
        assert "\n" not in logged("late")


def test_a_json_line_has_its_time_its_level_and_its_origin() -> None:
    record = recorded("got %s", "a\n\ud800é")
    record.created = 1_764_400_000.25
    assert json.loads(JsonFormatter().format(record)) == {
        "time": "2025-11-29T07:06:40.250Z",
        "level": "ERROR",
        "logger": "n",
        "message": "got a\\n\\ud800é",
        "pid": os.getpid(),
    }


def test_a_json_line_holds_the_traceback() -> None:
    first, *_, last = logged_json("failed", error=raised("bad"))["exception"].split("\n")
    assert first == "  Traceback (most recent call last):"
    assert last == "  ValueError: bad"


def test_of_a_long_traceback_the_end_is_kept() -> None:
    error = ValueError("first")
    for number in range(40):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    lines = logged("failed", error=error).split("\n")
    assert len(lines) == 1 + MAX_TRACEBACK_LINES
    assert (lines[0], lines[-1]) == ("ERROR n: failed", "  ValueError: 39")


OUTPUT_OF_A_TERMINAL = """
import os, pty, sys
main, side = pty.openpty()
if os.fork() == 0:
    os.dup2(side, 2)
    import logging
    from seewhy.logs.configuration import configure_logging
    configure_logging(sys.argv[1])
    logging.getLogger("a").warning("late")
    os._exit(0)
os.wait()
sys.stdout.write(os.read(main, 1000).decode())
"""


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", False), ("json", True)])
def test_a_terminal_gets_text_unless_json_is_set(log_format: str, is_json: bool) -> None:
    command = [sys.executable, "-c", OUTPUT_OF_A_TERMINAL, log_format]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("{") == is_json
    assert is_json or run.stdout == "WARNING a: late\n"


def test_uncaught_errors_and_warnings_of_a_process_are_json_lines() -> None:
    code = (
        "import threading, warnings;"
        "from seewhy.logs.configuration import configure_logging; configure_logging();"
        "warnings.warn('old');"
        "t = threading.Thread(target=lambda: 1 / 0, name='t'); t.start(); t.join();"
        "raise ValueError('Authorization: Bearer s3cret-key')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    warning, thread, main = map(json.loads, run.stderr.splitlines())
    assert (warning["level"], warning["logger"]) == ("WARNING", "py.warnings")
    assert thread["message"] == "Uncaught error in the thread t"
    assert thread["exception"].endswith("ZeroDivisionError: division by zero")
    assert main["exception"].endswith("ValueError: Authorization: [redacted]")


def test_the_output_of_a_process_is_safe() -> None:
    code = (
        "import logging; from seewhy.logs.configuration import configure_logging;"
        "configure_logging('text');"
        "logging.getLogger('waitress').info('Client disconnected while serving %s', 'x');"
        "logging.getLogger('a').warning('path %s', 'a\\n\\ud800 Authorization: Bearer s3cret-key')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == "WARNING a: path a\\n\\ud800 Authorization: [redacted]\n"
