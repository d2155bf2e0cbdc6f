"""The dashboards and alerts, evaluated by a real Prometheus that scrapes a real run."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import skip_without
from dashboards.__main__ import documents
from seewhy.client import Client
from servers.process_cluster import ProcessCluster, monitored_settings, start_cluster
from servers.prometheus import Prometheus, PrometheusError, start_prometheus
from servers.receivers import acknowledge, receiving
from servers.valkey import start_valkey
from servers.waiting import wait_until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "grafana" / "dashboards"
ALERTS = yaml.safe_load((ROOT / "infra" / "prometheus" / "alerts.yml").read_text())["groups"]
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")

PROCESSES = ("api", "worker", "dispatcher")

ZERO_IN_HEALTH = {
    "Failed attempts by code",
    "Failed attempts of devices",
    "Problems by code",
}
"""Panels of counters that have no series before the first failure."""


def panels(name: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard."""
    return list(json.loads((FOLDER / name).read_text("utf-8"))["panels"])


def queries() -> list[tuple[str, str]]:
    """Return title and expression of every query, with Grafana's variables filled in."""
    return [
        (
            panel["title"],
            target["expr"]
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h")
            .replace("$model", ".+"),
        )
        for name in documents()
        for panel in panels(name)
        for target in panel["targets"]
    ]


@pytest.fixture(scope="module")
def cluster(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProcessCluster, str]]:
    """Two API processes, a stub worker and a dispatcher, and the URL of a webhook receiver."""
    folder = tmp_path_factory.mktemp("cluster")
    with start_valkey(folder / "valkey") as server, receiving(acknowledge) as receiver:
        settings = monitored_settings(server, folder)
        with start_cluster(settings, folder) as cluster:
            cluster.start_api()
            cluster.start_stub_worker(batch_ms=200)
            cluster.start_dispatcher()
            wait_until(lambda: all(map(cluster.metrics_ports, PROCESSES)), what="all serve metrics")
            yield cluster, f"http://127.0.0.1:{receiver.port}/"


@pytest.fixture(scope="module")
def prometheus(
    cluster: tuple[ProcessCluster, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    binary = shutil.which("prometheus") or skip_without("Prometheus")
    ports = {f"seewhy-{name}": cluster[0].metrics_ports(name) for name in PROCESSES}
    with start_prometheus(binary, tmp_path_factory.mktemp("prometheus"), ports) as prometheus:
        yield prometheus


def test_every_panel_shows_data_of_a_real_run(
    prometheus: Prometheus, cluster: tuple[ProcessCluster, str], photos: Path
) -> None:
    expected = [(title, expr) for title, expr in queries() if title not in ZERO_IN_HEALTH]
    with Client(cluster[0].url) as client:

        def nothing_is_missing() -> bool:
            job = client.submit(photos / "cat.jpg", cache=False, webhook=cluster[1])
            client.wait(job)
            # A rate needs two scrapes of a series, so an answered query is not asked again.
            expected[:] = [each for each in expected if not prometheus.values(each[1])]
            return not expected

        try:
            wait_until(nothing_is_missing, what="every query returns a number")
        except AssertionError:
            pytest.fail(f"no number from {expected}")


def test_prometheus_accepts_the_queries_that_are_empty_in_health(prometheus: Prometheus) -> None:
    asked = [expr for title, expr in queries() if title in ZERO_IN_HEALTH]
    assert len(asked) == len(ZERO_IN_HEALTH)
    for expr in asked:
        assert prometheus.values(expr) == []


def test_a_wrong_query_is_an_error(prometheus: Prometheus) -> None:
    with pytest.raises(PrometheusError, match="parse error"):
        prometheus.values("rate(seewhy_jobs_accepted_total)")


def test_prometheus_evaluates_every_alert_and_none_fires_in_health(prometheus: Prometheus) -> None:
    expected = {rule.get("alert") or rule["record"] for group in ALERTS for rule in group["rules"]}

    def rules() -> dict[str, dict[str, Any]]:
        groups = prometheus.read("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    wait_until(
        lambda: all(rule["health"] != "unknown" for rule in rules().values()),
        what="every rule is evaluated",
    )
    found = rules()
    assert found.keys() == expected
    assert {rule["health"] for rule in found.values()} == {"ok"}
    # On a busy machine, alerts of slow answers may be pending.
    assert [name for name, rule in found.items() if rule.get("state") == "firing"] == []
    wait_until(lambda: prometheus.values("up") == [1] * 4, what="every process is scraped")


def test_the_files_are_those_that_the_tables_generate() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(documents())
    for name, text in documents().items():
        assert (FOLDER / name).read_text("utf-8") == text, "run `make dashboards`"


@pytest.mark.parametrize("name", sorted(documents()))
def test_a_dashboard_is_small_and_its_panels_do_not_overlap(name: str) -> None:
    found = panels(name)
    assert len(found) <= 18
    assert len({panel["title"] for panel in found}) == len(found)
    covered: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & covered
        assert max(x for x, _ in cells) < 24
        assert panel["description"]
        covered |= cells


def test_dashboards_use_metrics_and_alerts_that_exist() -> None:
    listed = set(re.findall(r"^\| `(seewhy_\w+)` \|", PAGE, re.MULTILINE))
    expressions = " ".join(expr for _, expr in queries())
    for name in re.findall(r"\bseewhy_\w+", expressions):
        assert re.sub(r"_(bucket|count|sum)$", "", name) in listed, name
    recorded = {rule["record"] for group in ALERTS for rule in group["rules"] if "record" in rule}
    assert set(re.findall(r"\bseewhy:[\w:]+", expressions)) <= recorded
    text = "".join(documents().values())
    alerts = {rule["alert"] for group in ALERTS for rule in group["rules"] if "alert" in rule}
    assert set(re.findall(r"\bSeewhy[A-Z]\w+", text)) <= alerts
    unused = {name for name in listed if name not in expressions}
    assert not unused, "each metric is on a dashboard"
