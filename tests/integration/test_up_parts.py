"""Which processes `seewhy up` starts and stops, with programs that only pretend.

tests/e2e/test_up.py does it with the real ones.
"""

import re
import sys
from pathlib import Path

import pytest

from seewhy.embedded.data_directory import hold
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.up import Commands, up
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy.settings import load
from servers.processes import alive
from servers.waiting import wait_until

SLEEP = "import os, time; print('secret', os.environ.get('SEEWHY_WEBHOOK_SECRETS'), flush=True);"
READY = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["SEEWHY_API_PORT"])), Ready).serve_forever()
"""
PRETENDED = Commands(
    worker=(sys.executable, "-c", SLEEP + "time.sleep(600)"),
    api=(sys.executable, "-c", READY),
    courier=(sys.executable, "-c", SLEEP + "time.sleep(600)"),
)


def started_and_stopped(tmp_path: Path, *, secrets: str | None) -> set[str]:
    """Run `seewhy up` until it is ready and stop it; return the names of what it had started."""
    settings = load(
        {},
        redis_url="redis://127.0.0.1:1/0",  # so that no Valkey is started; nobody asks it
        api_port=free_port(),
        webhook_secrets=secrets,
    )
    lines: list[str] = []

    def stop(_: str) -> None:
        log = tmp_path / "data" / "logs" / "courier.log"
        if secrets:
            wait_until(lambda: log.read_text() == f"secret {secrets}\n", what="the courier runs")
        assert all(map(alive, pids().values()))
        raise KeyboardInterrupt

    def pids() -> dict[str, int]:
        told = (re.fullmatch(r"(\w+): started \(process (\d+)\)", line) for line in lines)
        return {found[1]: int(found[2]) for found in told if found}

    with hold(tmp_path / "data") as directory:
        up(
            settings,
            directory=directory,
            report=lambda name, line: lines.append(f"{name}: {line}"),
            ready=stop,
            programs=PRETENDED,
        )
    assert not any(map(alive, pids().values()))
    return set(pids())


def test_a_courier_is_started_with_the_secrets_and_stopped_with_the_others(tmp_path: Path) -> None:
    started = started_and_stopped(tmp_path, secrets=generate_secret())
    assert started == {"worker", "api", "courier"}


def test_without_a_secret_there_is_no_courier(tmp_path: Path) -> None:
    assert started_and_stopped(tmp_path, secrets=None) == {"worker", "api"}


def test_the_programs_that_are_installed_include_a_courier() -> None:
    assert Commands.installed().courier[-2:] == ("-m", "seewhy_api.webhooks")


@pytest.mark.parametrize("name", ["worker", "api", "courier"])
def test_every_program_has_to_be_named(name: str) -> None:
    others = {part: ("true",) for part in ("worker", "api", "courier") if part != name}
    with pytest.raises(TypeError):
        Commands(**others)
