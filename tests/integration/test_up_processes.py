"""The processes that `seewhy up` starts, waits for and stops, with dummy commands.

tests/e2e/test_up.py runs the real ones.
"""

import re
import sys
from pathlib import Path

import pytest

from seewhy.embedded import worker_pool
from seewhy.embedded.commands import Commands
from seewhy.embedded.data_directory import lock_data_directory
from seewhy.embedded.errors import StartFailed
from seewhy.embedded.readiness import wait_until_ready
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.up import up
from seewhy.settings import Settings, load
from seewhy.webhook_secrets import generate_secret
from servers.processes import alive
from servers.scripted import Response, scripted
from servers.waiting import wait_until

SLEEP = """
import os, time
print('secret', os.environ.get('SEEWHY_WEBHOOK_SECRETS'), flush=True)
print('cores', os.environ.get('SEEWHY_WORKER_CORES'), flush=True)
time.sleep(600)
"""
DUMMY_API = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"workers": {"count": 3, "models": {"vgg16": 3}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
port = int(os.environ["SEEWHY_API_PORT"])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
DUMMY_COMMANDS = Commands(
    worker=(sys.executable, "-c", SLEEP),
    api=(sys.executable, "-c", DUMMY_API),
    dispatcher=(sys.executable, "-c", SLEEP),
)


def start_and_stop(tmp_path: Path, *, secrets: str | None = None, workers: int = 1) -> set[str]:
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
            wait_until(lambda: f"secret {secrets}\n" in log.read_text(), what="the dispatcher runs")
        for number in range(1, workers + 1) if workers > 1 else ():
            output = tmp_path / "data" / "logs" / f"worker-{number}.log"
            wait_until(lambda output=output: "cores" in output.read_text(), what="the workers run")  # type: ignore[misc]
        assert all(map(alive, pids().values()))
        raise KeyboardInterrupt

    def pids() -> dict[str, int]:
        matches = (re.fullmatch(r"([\w-]+): started \(process (\d+)\)", line) for line in lines)
        return {found[1]: int(found[2]) for found in matches if found}

    with lock_data_directory(tmp_path / "data") as directory:
        up(
            settings,
            directory=directory,
            report=lambda name, line: lines.append(f"{name}: {line}"),
            ready=stop,
            workers=workers,
            commands=DUMMY_COMMANDS,
        )
    assert not any(map(alive, pids().values()))
    return set(pids())


def test_the_dispatcher_starts_with_the_secrets_and_stops_with_the_others(tmp_path: Path) -> None:
    started = start_and_stop(tmp_path, secrets=generate_secret())
    assert started == {"worker", "api", "dispatcher"}


def test_without_a_secret_no_dispatcher_starts(tmp_path: Path) -> None:
    assert start_and_stop(tmp_path, secrets=None) == {"worker", "api"}


def test_several_workers_start_with_a_share_of_the_cores_and_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "visible_gpus", tuple)
    monkeypatch.setattr(worker_pool, "available_cores", lambda: tuple(range(5)))
    assert start_and_stop(tmp_path, workers=3) == {"worker-1", "worker-2", "worker-3", "api"}
    logs = [tmp_path / "data" / "logs" / f"worker-{number}.log" for number in (1, 2, 3)]
    cores = [log.read_text().splitlines()[-1] for log in logs]
    assert cores == ["cores 0", "cores 1,2", "cores 3,4"]


def test_the_installed_commands_include_the_dispatcher() -> None:
    assert Commands.installed().dispatcher[-2:] == ("-m", "seewhy_api.webhooks")


@pytest.mark.parametrize("name", ["worker", "api", "dispatcher"])
def test_every_command_must_be_given(name: str) -> None:
    others = {other: ("true",) for other in ("worker", "api", "dispatcher") if other != name}
    with pytest.raises(TypeError):
        Commands(**others)


def readyz(**models: int) -> Response:
    return Response(200, {"workers": {"count": len(models), "models": models}})


def settings_of(url: str) -> Settings:
    return load({}, api_port=int(url.rpartition(":")[2]), worker_models=("a", "b"))


def test_a_service_is_ready_when_every_resident_model_has_a_worker() -> None:
    reports: list[tuple[str, str]] = []
    responses = [Response(503), Response(200, {"workers": None}), readyz(), readyz(a=2)]
    with scripted(*responses, readyz(a=1, b=1)) as server:
        url = wait_until_ready(
            settings_of(server.url),
            poll=lambda: None,
            report=lambda name, line: reports.append((name, line)),
        )
        assert url == server.url
        assert server.responses == []
    assert reports[:2] == [("worker", "loading a, b"), ("api", "accepting requests")]
    assert reports[2][0] == "worker"
    assert re.fullmatch(r"ready after \d\.\d s", reports[2][1])
    assert len(reports) == 3


def test_a_service_that_is_not_ready_in_time_names_the_missing_model() -> None:
    with (
        scripted(*[readyz(a=1)] * 100) as server,
        pytest.raises(StartFailed, match=r"not ready within 2 s: no worker has loaded b"),
    ):
        wait_until_ready(settings_of(server.url), poll=lambda: None, timeout_s=2)


def test_a_worker_without_resident_models_only_starts() -> None:
    reports: list[tuple[str, str]] = []
    with scripted(Response(503), readyz(other=1)) as server:
        settings = settings_of(server.url).model_copy(
            update={"worker_models": (), "worker_demand_models": ("a",)}
        )
        wait_until_ready(
            settings, poll=lambda: None, report=lambda name, line: reports.append((name, line))
        )
    assert reports[0] == ("worker", "starting")


def test_a_service_with_several_workers_waits_for_all() -> None:
    with scripted(readyz(a=2, b=1), readyz(a=2, b=2)) as server:
        wait_until_ready(settings_of(server.url), poll=lambda: None, workers=2)
        assert server.responses == []
    with (
        scripted(*[readyz(a=2, b=1)] * 100) as server,
        pytest.raises(StartFailed, match="fewer than 2 workers have loaded b"),
    ):
        wait_until_ready(settings_of(server.url), poll=lambda: None, workers=2, timeout_s=2)


def test_a_service_whose_api_does_not_answer_is_not_ready(unused_port: int) -> None:
    with pytest.raises(StartFailed, match="the API does not answer"):
        wait_until_ready(load({}, api_port=unused_port), poll=lambda: None, timeout_s=0.5)


def test_waiting_ends_when_a_process_fails(unused_port: int) -> None:
    def fail() -> None:
        raise StartFailed("the worker does not start")

    with pytest.raises(StartFailed, match="the worker does not start"):
        wait_until_ready(load({}, api_port=unused_port), poll=fail)
