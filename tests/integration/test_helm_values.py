"""The schema of the chart's values refuses wrong ones, and its network policies deny by default."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from seewhy.settings import PREFIX, Settings
from servers.helm import (
    CASES,
    CHART,
    NAME,
    ChartError,
    HelmChart,
    Manifest,
    kinds,
    pod_specs,
    secrets,
)

NO_PEERS: dict[str, Any] = {"to": []}
WRONG: dict[str, Any] = {
    "redis.existingSecret": "",
    "redis.url": "redis://:password@redis:6379/0",
    "redis.urlKeys.api": "a key",
    "store.url": "file:///data",
    "store.endpoint": "s3.example.com",
    "store.secretAccessKey": "secret",
    "images.api.digest": "sha256:abc",
    "images.worker.repository": "Seewhy Worker",
    "images.pullPolicy": "Sometimes",
    "models.file": "models.toml",
    "settings.SEEWHY_MAX_BATCH": 8,
    "settings.SEEWHY_REDIS_URL": "redis://:password@redis:6379/0",
    "settings.SEEWHY_WEBHOOK_SECRETS": "whsec_x",
    "settings.SEEWHY_STORE_URL": "s3://other",
    "settings.PATH": "/bin",
    "api.replicas": 0,
    "api.auth": "password",
    "api.terminationGracePeriodSeconds": 5,
    "api.resources.limits.memory": "lots",
    "api.replica": 3,
    "dispatcher.replicas": "two",
    "ingress.enabled": True,
    "ingress.host": "https://explain.example",
    "workerPools": {},
    "workerPools.Main": {},
    "workerPools.a-name-of-more-than-20": {},
    "workerPools.main.model": "vgg16",
    "workerPools.main.models": "vgg16",
    "workerPools.main.replicas": -1,
    "workerPools.main.gpu.mode": "timeSlicing",
    "workerPools.main.gpu.migProfile": "small",
    "workerPools.main.gpu.count": 2,
    "workerPools.main.startupLimitSeconds": 5,
    "workerPools.main.rollingUpdate.maxSurge": "half",
    "workerPools.main.autoscaling.enabled": "yes",
    "workerPools.main.autoscaling.maxReplicas": 0,
    "workerPools.main.autoscaling.backlogPerReplica": 0.5,
    "workerPools.main.autoscaling.backlogMetric": "celery_queue_length",
    "workerPools.main.settings.SEEWHY_WORKER_MODELS": "vgg16",
    "workerPools.main.settings.SEEWHY_WORKER_DEMAND_MODELS": "vgg16",
    "workerPools.main.demandModels": "vgg16",
    "monitoring.prometheusAddress": "prometheus:9090",
    "networkPolicy.redis": NO_PEERS,
    "networkPolicy.store": NO_PEERS,
    "networkPolicy.clients": [],
    "networkPolicy.prometheus": [],
    "networkPolicy.redis.port": 70000,
    "networkPolicy.store.to": [{"ipBlock": {"cidr": "10.0.0.0"}}],
    "redisPassword": "secret",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the minimal values with one changed."""
    values: dict[str, Any] = deepcopy(CASES["minimal"])
    *parents, last = path.split(".")
    place = values
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return values


@pytest.mark.parametrize("path", WRONG)
def test_the_schema_refuses_a_wrong_value_and_names_its_place(chart: HelmChart, path: str) -> None:
    with pytest.raises(ChartError) as refusal:
        chart.render(changed(path, WRONG[path]))
    message = str(refusal.value)
    assert set(path.split(".")) & set(re.findall(r"[\w-]+", message)), message
    assert "schema" in message


def test_the_least_values_are_enough(chart: HelmChart) -> None:
    assert set(CASES["minimal"]) == {"redis", "workerPools", "networkPolicy"}
    assert chart.render(CASES["minimal"])


@pytest.mark.parametrize("missing", ["redis", "workerPools", "networkPolicy"])
def test_no_part_of_the_least_values_can_be_left_out(chart: HelmChart, missing: str) -> None:
    values = {name: value for name, value in CASES["minimal"].items() if name != missing}
    with pytest.raises(ChartError, match="schema"):
        chart.render(values)


def test_every_setting_that_the_chart_names_exists() -> None:
    names = {PREFIX + field.upper() for field in Settings.model_fields}
    for file in sorted(CHART.rglob("*")):
        if file.suffix in {".tpl", ".yaml"}:
            assert set(re.findall(r"SEEWHY_[A-Z0-9_]*[A-Z0-9]\b", file.read_text())) <= names, file


def test_the_documentation_names_every_section_of_the_values() -> None:
    page = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text()
    for section in yaml.safe_load((CHART / "values.yaml").read_text()):
        assert f"`{section}" in page, section


def test_the_values_in_the_documentation_are_accepted(chart: HelmChart) -> None:
    page = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text()
    least, *others = (yaml.safe_load(t) for t in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    assert chart.render(least)
    for values in others:
        assert chart.render(least | values)


def policies(manifests: list[Manifest]) -> dict[str, Manifest]:
    named = kinds(manifests, "NetworkPolicy").items()
    return {name.removeprefix(f"{NAME}-"): each["spec"] for name, each in named}


def test_every_pod_is_denied_what_no_policy_allows(chart: HelmChart) -> None:
    found = policies(chart.render(CASES["deliveries"]))
    assert found["default-deny"] == {
        "podSelector": {
            "matchLabels": {
                "app.kubernetes.io/name": "seewhy",
                "app.kubernetes.io/instance": "demo",
            }
        },
        "policyTypes": ["Ingress", "Egress"],
    }
    assert found.keys() == {"default-deny", "api", "worker", "dispatcher", "bucket"}
    for name, spec in found.items():
        for rule in spec.get("ingress", []):
            assert rule["from"], name
        for rule in spec.get("egress", []):
            assert rule["to"], name


def egress_ports(spec: Manifest) -> set[int]:
    return {port["port"] for rule in spec["egress"] for port in rule.get("ports", ())}


def reaches_internet(spec: Manifest) -> bool:
    blocks = [peer.get("ipBlock", {}) for rule in spec["egress"] for peer in rule["to"]]
    return any(block.get("cidr") == "0.0.0.0/0" for block in blocks)


def test_each_process_reaches_what_it_needs_and_nothing_else(chart: HelmChart) -> None:
    found = policies(chart.render(CASES["cluster"] | {"webhooks": {"existingSecret": "w"}}))
    ports = {name: egress_ports(spec) for name, spec in found.items() if "egress" in spec}
    assert ports == {
        "api": {53, 6380, 9000},
        "worker": {53, 6380, 9000},
        "dispatcher": {53, 6380},
        "bucket": {53, 9000},
    }
    assert {name for name in ports if reaches_internet(found[name])} == {"dispatcher"}


def test_the_internet_is_without_the_private_networks(chart: HelmChart) -> None:
    values = CASES["minimal"] | {"webhooks": {"existingSecret": "w"}}
    dispatcher = policies(chart.render(values))["dispatcher"]
    (block,) = (
        peer["ipBlock"]
        for rule in dispatcher["egress"]
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    )
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"}
    assert private <= set(block["except"])


def test_only_clients_reach_the_api_and_only_prometheus_reaches_metrics(chart: HelmChart) -> None:
    found = policies(chart.render(CASES["minimal"]))
    monitoring = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    metrics = {"from": monitoring, "ports": [{"port": "metrics"}]}
    assert found["worker"]["ingress"] == [metrics]
    assert found["api"]["ingress"] == [
        {"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]},
        metrics,
    ]


def test_label_studio_needs_peers(chart: HelmChart) -> None:
    with pytest.raises(ChartError, match=r"labelStudio\.url needs networkPolicy\.labelStudio\.to"):
        chart.render(CASES["minimal"] | {"labelStudio": {"url": "https://labels.example"}})


def test_a_dispatcher_runs_where_something_may_be_delivered(chart: HelmChart) -> None:
    assert f"{NAME}-dispatcher" not in pod_specs(chart.render(CASES["minimal"]))
    assert f"{NAME}-dispatcher" in pod_specs(chart.render(CASES["deliveries"]))


def test_each_process_has_its_own_url_of_redis(chart: HelmChart) -> None:
    specs = pod_specs(chart.render(CASES["cluster"] | {"webhooks": {"existingSecret": "w"}}))
    urls = {name: secrets(spec).get("SEEWHY_REDIS_URL") for name, spec in specs.items()}
    assert urls == {
        f"{NAME}-api": ("seewhy-redis", "api-url"),
        f"{NAME}-worker-main": ("seewhy-redis", "worker-url"),
        f"{NAME}-dispatcher": ("seewhy-redis", "dispatcher-url"),
        f"{NAME}-bucket": None,
    }
