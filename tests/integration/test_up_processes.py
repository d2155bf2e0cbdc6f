"""The processes that `seewhy up` starts and stops, with dummy commands.

tests/e2e/test_up.py runs the real ones.
"""

import re
import sys
from pathlib import Path

import pytest

from seewhy.embedded.commands import Commands
from seewhy.embedded.data_directory import lock_data_directory
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.up import up
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
DUMMY_COMMANDS = Commands(
    worker=(sys.executable, "-c", SLEEP + "time.sleep(600)"),
    api=(sys.executable, "-c", READY),
    dispatcher=(sys.executable, "-c", SLEEP + "time.sleep(600)"),
)


def start_and_stop(tmp_path: Path, *, secrets: str | None) -> set[str]:
    """Run `seewhy up` until it is ready, stop it, and return the names of its processes."""
    settings = load(
        {},
        redis_url="redis://127.0.0.1:1/0",  # so that no Valkey is started; never contacted
        api_port=free_port(),
        webhook_secrets=secrets,
    )
    lines: list[str] = []

    def stop(_: str) -> None:
        log = tmp_path / "data" / "logs" / "dispatcher.log"
        if secrets:
            wait_until(lambda: log.read_text() == f"secret {secrets}\n", what="the dispatcher runs")
        assert all(map(alive, pids().values()))
        raise KeyboardInterrupt

    def pids() -> dict[str, int]:
        matches = (re.fullmatch(r"(\w+): started \(process (\d+)\)", line) for line in lines)
        return {found[1]: int(found[2]) for found in matches if found}

    with lock_data_directory(tmp_path / "data") as directory:
        up(
            settings,
            directory=directory,
            report=lambda name, line: lines.append(f"{name}: {line}"),
            ready=stop,
            commands=DUMMY_COMMANDS,
        )
    assert not any(map(alive, pids().values()))
    return set(pids())


def test_the_dispatcher_starts_with_the_secrets_and_stops_with_the_others(tmp_path: Path) -> None:
    started = start_and_stop(tmp_path, secrets=generate_secret())
    assert started == {"worker", "api", "dispatcher"}


def test_without_a_secret_no_dispatcher_starts(tmp_path: Path) -> None:
    assert start_and_stop(tmp_path, secrets=None) == {"worker", "api"}


def test_the_installed_commands_include_the_dispatcher() -> None:
    assert Commands.installed().dispatcher[-2:] == ("-m", "seewhy_api.webhooks")


@pytest.mark.parametrize("name", ["worker", "api", "dispatcher"])
def test_every_command_must_be_given(name: str) -> None:
    others = {other: ("true",) for other in ("worker", "api", "dispatcher") if other != name}
    with pytest.raises(TypeError):
        Commands(**others)
