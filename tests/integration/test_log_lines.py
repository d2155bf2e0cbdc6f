"""The log lines of real processes: all JSON, with the ids of requests and jobs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flask.testing import FlaskClient

from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.logs.formatters import JsonFormatter
from seewhy_api.http.auth import public
from servers.process_cluster import ProcessCluster, monitored_settings, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

REQUEST_ID = "label-run:7"
JOB_FAILED = "The image expired"
NOT_DELIVERED = "Cannot deliver the outcome"


@pytest.fixture(scope="module")
def failed_job(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProcessCluster, str]]:
    """A job that failed in the worker, and whose webhook could not be delivered."""
    folder = tmp_path_factory.mktemp("cluster")
    with start_valkey(folder / "valkey") as server:
        settings = monitored_settings(server, folder)
        with start_cluster(settings, folder) as cluster:
            cluster.start_api()
            answer = httpx2.post(
                f"{cluster.url}/v1/explanations",
                files={"image": (photos / "cat.jpg").read_bytes()},
                data={"request": json.dumps({"webhook": f"http://127.0.0.1:{free_port()}/"})},
                headers={"X-Request-ID": REQUEST_ID},
            )
            assert answer.headers["X-Request-ID"] == REQUEST_ID
            for file in (folder / "objects" / "images").rglob("*"):
                if file.is_file():
                    file.unlink()
            cluster.start_stub_worker()
            cluster.start_dispatcher()
            with Client(cluster.url) as client:
                assert client.wait(answer.json()["id"]).status == "failed"
            wait_until(lambda: bool(lines(cluster, "dispatcher", NOT_DELIVERED)), what="an attempt")
            yield cluster, answer.json()["id"]


def lines(cluster: ProcessCluster, process: str, text: str = "") -> list[dict[str, Any]]:
    """Return the complete log lines of a kind of process whose message contains a text."""
    complete = cluster.read_log(process).rpartition("\n")[0].splitlines()
    return [line for line in map(json.loads, complete) if text in line["message"]]


@pytest.mark.parametrize("process", ["api", "worker", "dispatcher"])
def test_every_line_is_json_with_a_time_and_a_level(
    failed_job: tuple[ProcessCluster, str], process: str
) -> None:
    found = lines(failed_job[0], process)
    assert len(found) >= 2
    for line in found:
        assert line.keys() >= {"time", "level", "logger", "message", "pid"}
        assert line["level"] in {"INFO", "WARNING"}


def test_the_lines_of_the_server_below_the_api_are_among_them(
    failed_job: tuple[ProcessCluster, str],
) -> None:
    assert "gunicorn.error" in {line["logger"] for line in lines(failed_job[0], "api")}


@pytest.mark.parametrize(
    ("process", "text"), [("worker", JOB_FAILED), ("dispatcher", NOT_DELIVERED)]
)
def test_the_id_of_a_request_travels_to_the_lines_about_its_job(
    failed_job: tuple[ProcessCluster, str], process: str, text: str
) -> None:
    cluster, job_id = failed_job
    line = lines(cluster, process, text)[0]
    assert (line["request_id"], line["job_id"]) == (REQUEST_ID, job_id)
    assert "job_ids" not in line


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/nowhere", "/v1/explanations/x"])
def test_every_response_has_the_id_of_its_request(client: FlaskClient, path: str) -> None:
    named = client.get(path, headers={"X-Request-ID": "a-1._:+/="})
    assert named.headers["X-Request-ID"] == "a-1._:+/="
    unnamed = [client.get(path).headers["X-Request-ID"] for _ in range(2)]
    assert len(set(unnamed)) == 2
    assert all(len(each) == 32 for each in unnamed)


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "é"])
def test_an_id_of_another_form_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


def test_an_unexpected_error_is_logged_with_the_request(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.handler.setFormatter(JsonFormatter())

    def fail() -> None:
        raise RuntimeError("broken")

    monkeypatch.setitem(client.application.view_functions, "health.alive", public(fail))
    answer = client.get("/healthz")
    assert answer.status_code == 500
    (line,) = caplog.text.splitlines()
    assert json.loads(line)["request_id"] == answer.headers["X-Request-ID"]
    assert json.loads(line)["exception"].endswith("RuntimeError: broken")
