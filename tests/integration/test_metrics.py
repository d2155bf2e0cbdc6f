"""The metrics that real processes expose."""

import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from metrics_samples import scrape
from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.monitoring import metrics_server
from seewhy.monitoring.metrics_server import MAX_CONNECTIONS, PORTS, MetricsServer
from seewhy.settings import Settings, load
from servers.process_cluster import MODEL, ProcessCluster, monitored_settings, start_cluster
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

LANE = f"{MODEL}:interactive"
JOBS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return monitored_settings(server, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def cluster(
    settings: Settings, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessCluster]:
    """Two API processes, a stub worker and a dispatcher, after some explanations.

    Nothing listens at the webhook of each.
    """
    with start_cluster(settings, tmp_path_factory.mktemp("logs")) as cluster:
        cluster.start_api()
        cluster.start_stub_worker()
        cluster.start_dispatcher()
        with Client(cluster.url) as client:
            for _ in range(JOBS):
                hook = f"http://127.0.0.1:{free_port()}/"
                client.wait(client.submit(photos / "cat.jpg", cache=False, webhook=hook))
        yield cluster


def scrape_all(cluster: ProcessCluster, process: str) -> list[dict[str, float]]:
    """Scrape each process of a kind where it says that it serves metrics."""
    return [scrape(port) for port in cluster.metrics_ports(process)]


def test_every_api_process_exposes_the_ledger_and_its_own_requests(
    cluster: ProcessCluster, settings: Settings
) -> None:
    found = scrape_all(cluster, "api")
    assert len(found) == settings.api_processes
    for samples in found:
        assert samples["seewhy_ledger_up"] == 1
        assert samples["seewhy_jobs_accepted_total"] == JOBS
        assert samples["seewhy_jobs_ended_total|succeeded"] == JOBS
        assert samples["seewhy_jobs_ended_total|failed"] == 0
        assert samples["seewhy_jobs_unaccounted"] == 0
        assert samples["seewhy_job_duration_seconds_count|interactive"] == JOBS
        assert samples["seewhy_job_duration_seconds_bucket|+Inf|interactive"] == JOBS
        assert samples["seewhy_job_duration_seconds_count|batch"] == 0
        assert samples[f"seewhy_jobs_ready|{LANE}"] == 0
        assert samples[f"seewhy_workers|{MODEL}"] == 1
        assert samples[f"seewhy_workers_loaded|{MODEL}"] == 1
        assert samples["seewhy_redis_memory_bytes"] > 100_000
        assert samples["seewhy_redis_evicted_keys_total"] == 0
        assert samples["seewhy_http_slots_limit|streams"] == settings.api_streams
        assert samples["process_resident_memory_bytes"] > 10_000_000
    submitted = "seewhy_http_requests_total|POST|/v1/explanations|202"
    assert sum(samples.get(submitted, 0) for samples in found) == JOBS


def test_a_worker_exposes_batches_stages_and_reports(
    cluster: ProcessCluster,
) -> None:
    (samples,) = scrape_all(cluster, "worker")
    assert samples[f"seewhy_job_reports_total|{MODEL}|succeeded"] == JOBS
    assert samples[f"seewhy_batch_images_sum|{MODEL}"] == JOBS
    assert samples[f"seewhy_model_loads_total|{MODEL}|loaded"] == 1
    assert samples[f"seewhy_model_load_seconds_count|{MODEL}"] == 1
    assert samples[f"seewhy_job_wait_seconds_count|{MODEL}|interactive"] == JOBS
    batches = samples[f"seewhy_batch_images_count|{MODEL}"]
    for stage in ("fetch", "explain", "publish"):
        assert samples[f"seewhy_batch_stage_seconds_count|{MODEL}|{stage}"] == batches


def test_refused_requests_are_counted_by_their_code_and_unknown_routes_together(
    cluster: ProcessCluster,
) -> None:
    for path in ("/nowhere", "/nowhere/else"):
        assert httpx2.get(cluster.url + path).status_code == 404
    found = scrape_all(cluster, "api")
    unknown = "seewhy_http_requests_total|GET|unknown|404"
    assert sum(samples.get(unknown, 0) for samples in found) == 2
    assert sum(samples.get("seewhy_http_problems_total|not_found", 0) for samples in found) == 2


def test_a_dispatcher_counts_its_attempts(cluster: ProcessCluster) -> None:
    attempts = "seewhy_delivery_attempts_total|webhook|retry"
    wait_until(
        # A dispatcher that is still starting has no port yet.
        lambda: sum(found.get(attempts, 0) for found in scrape_all(cluster, "dispatcher")) >= JOBS,
        what="the deliveries were tried",
    )


def test_only_the_state_of_redis_is_shown_while_it_is_down(tmp_path: Path, photos: Path) -> None:
    with start_valkey(tmp_path / "valkey") as server:
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{tmp_path}/objects",
            default_model=MODEL,
            api_port=free_port(),
            api_metrics_port=free_port(),
        )
        with start_cluster(settings, tmp_path) as cluster:
            cluster.start_api()
            server.kill()
            samples = scrape(settings.api_metrics_port)
    assert samples["seewhy_ledger_up"] == 0
    assert "seewhy_jobs_accepted_total" not in samples
    assert samples["process_resident_memory_bytes"] > 0


def test_a_process_takes_the_next_free_port_and_works_without_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first_port = free_port()
    servers = [MetricsServer(host="127.0.0.1", first_port=first_port) for _ in range(PORTS + 1)]
    try:
        for server in servers:
            server.start()
        ports = [server.port for server in servers if server.port]
        assert ports[0] == first_port
        assert servers[-1].port is None
        # Other tests may use some of them.
        assert ports == sorted(set(ports))
        assert len(ports) > PORTS // 2
        assert "Cannot serve metrics" in caplog.text
    finally:
        for server in servers:
            server.stop()
    again = MetricsServer(host="127.0.0.1", first_port=first_port)
    again.start()
    assert again.port == first_port
    again.stop()


def test_silent_clients_of_the_metrics_hold_few_threads_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_server._Handler, "timeout", 1.0)
    server = MetricsServer(host="127.0.0.1", first_port=free_port())
    server.start()
    assert server.port
    before = threading.active_count()
    try:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        wait_until(
            lambda: len(select.select(silent, [], [], 0)[0]) >= 40 - MAX_CONNECTIONS,
            what="further connections are closed",
        )
        assert threading.active_count() <= before + MAX_CONNECTIONS
        wait_until(
            lambda: len(select.select(silent, [], [], 0)[0]) == 40, what="all of them are closed"
        )
        assert scrape(server.port)["process_resident_memory_bytes"] > 0
        for sock in silent:
            sock.close()
    finally:
        server.stop()
