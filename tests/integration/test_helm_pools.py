"""The worker pools of the Helm chart: devices, models and autoscaling."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import skip_without
from seewhy.capacity.autoscaling import Behavior
from servers.helm import (
    CASES,
    NAME,
    NAMESPACE,
    ChartError,
    HelmChart,
    Manifest,
    container,
    environment,
    kinds,
    pod_specs,
)

PROMETHEUS = {"monitoring": {"prometheusAddress": "http://prometheus:9090"}}


def pools(**pools: Any) -> dict[str, Any]:
    return CASES["minimal"] | PROMETHEUS | {"workerPools": pools}


def worker(manifests: list[Manifest], pool: str) -> Manifest:
    return pod_specs(manifests)[f"{NAME}-worker-{pool}"]


def test_a_pool_overrides_the_defaults_and_shares_the_rest(chart: HelmChart) -> None:
    manifests = chart.render(
        pools(small={"replicas": 3, "resources": {"limits": {"memory": "2Gi"}}}, other={})
    )
    small, other = worker(manifests, "small"), worker(manifests, "other")
    assert container(small)["resources"]["limits"] == {"memory": "2Gi"}
    assert container(small)["resources"]["requests"] == container(other)["resources"]["requests"]
    deployments = kinds(manifests, "Deployment")
    assert deployments[f"{NAME}-worker-small"]["spec"]["replicas"] == 3
    assert deployments[f"{NAME}-worker-other"]["spec"]["replicas"] == 1


def test_a_pool_loads_its_models_or_the_default_one(chart: HelmChart) -> None:
    manifests = chart.render(pools(one={}, two={"models": ["vgg16", "efficientnet-lite0"]}))
    assert environment(worker(manifests, "one"))["SEEWHY_WORKER_MODELS"] == "efficientnet-lite0"
    two = environment(worker(manifests, "two"))["SEEWHY_WORKER_MODELS"]
    assert two == "vgg16,efficientnet-lite0"


def test_a_pool_with_models_on_demand_alone_keeps_none_loaded(chart: HelmChart) -> None:
    pool = {"demandModels": ["vgg16", "rare"]}
    scaled = pool | {"autoscaling": {"enabled": True}}
    manifests = chart.render(pools(one=scaled))
    variables = environment(worker(manifests, "one"))
    assert variables["SEEWHY_WORKER_DEMAND_MODELS"] == "vgg16,rare"
    assert "SEEWHY_WORKER_MODELS" not in variables
    (trigger,) = kinds(manifests, "ScaledObject")[f"{NAME}-worker-one"]["spec"]["triggers"]
    assert '{lane=~"(vgg16|rare):.+"}' in trigger["metadata"]["query"]
    with pytest.raises(ChartError, match="both scale with the backlog of vgg16"):
        chart.render(pools(one=scaled, two={"models": ["vgg16"], "autoscaling": {"enabled": True}}))


@pytest.mark.parametrize(
    ("gpu", "device"),
    [
        ({"mode": "devicePlugin"}, "nvidia.com/gpu"),
        ({"mode": "mig", "migProfile": "3g.40gb"}, "nvidia.com/mig-3g.40gb"),
    ],
)
def test_a_worker_has_one_device(chart: HelmChart, gpu: dict[str, str], device: str) -> None:
    spec = worker(chart.render(pools(gpu={"gpu": gpu})), "gpu")
    limits = container(spec)["resources"]["limits"]
    assert limits == {"memory": "4Gi", device: 1}
    assert container(spec)["image"].startswith("seewhy-worker-gpu:")
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec[
        "tolerations"
    ]


def test_a_worker_on_cpus_has_no_device_and_tolerates_no_gpu_node(chart: HelmChart) -> None:
    spec = worker(chart.render(pools(cpu={})), "cpu")
    assert container(spec)["resources"]["limits"] == {"memory": "4Gi"}
    assert "tolerations" not in spec
    assert container(spec)["image"].startswith("seewhy-worker:")


def test_prepulling_uses_the_nodes_and_the_image_of_the_pool_and_no_gpu(chart: HelmChart) -> None:
    manifests = chart.render(CASES["gpu"])
    (prepull,) = kinds(manifests, "DaemonSet").values()
    spec, pool = prepull["spec"]["template"]["spec"], worker(manifests, "whole")
    assert container(spec)["image"] == container(pool)["image"]
    assert spec["nodeSelector"] == pool["nodeSelector"]
    assert spec["tolerations"] == pool["tolerations"]
    assert container(spec)["resources"]["limits"].keys() == {"memory"}


def test_the_autoscaler_owns_the_number_of_workers(chart: HelmChart) -> None:
    manifests = chart.render(CASES["gpu"])
    deployments = kinds(manifests, "Deployment")
    assert "replicas" not in deployments[f"{NAME}-worker-whole"]["spec"]
    assert deployments[f"{NAME}-worker-part"]["spec"]["replicas"] == 2
    assert kinds(manifests, "ScaledObject").keys() == {f"{NAME}-worker-whole"}


def test_the_autoscaler_asks_for_the_backlog_of_the_lanes_of_the_pool(chart: HelmChart) -> None:
    values = pools(main={"models": ["vgg16", "cat"], "autoscaling": {"enabled": True}})
    (scaled,) = kinds(chart.render(values), "ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    lanes = '{lane=~"(vgg16|cat):.+"}'
    assert trigger == {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": "http://prometheus:9090",
            "query": f"sum(max by (lane) (seewhy_backlog_device_seconds{lanes})) + "
            f"(sum(max by (lane) (seewhy_jobs_ready{lanes})) > bool 0)",
            "threshold": "60",
            "ignoreNullValues": "false",
        },
    }
    assert scaled["spec"]["scaleTargetRef"] == {"name": f"{NAME}-worker-main"}


def test_another_metric_of_the_backlog_is_one_value(chart: HelmChart) -> None:
    scaling = {"enabled": True, "backlogMetric": "seewhy_backlog_seconds", "backlogPerReplica": 30}
    (scaled,) = kinds(chart.render(pools(main={"autoscaling": scaling})), "ScaledObject").values()
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    assert "(seewhy_backlog_seconds{" in metadata["query"]
    assert metadata["threshold"] == "30"


def test_a_pool_keeps_workers_when_the_backlog_is_unknown(chart: HelmChart) -> None:
    (scaled,) = kinds(chart.render(CASES["autoscaled"]), "ScaledObject").values()
    assert scaled["spec"]["minReplicaCount"] == 1
    assert scaled["spec"]["maxReplicaCount"] == 8
    assert scaled["spec"]["fallback"] == {
        "failureThreshold": 3,
        "replicas": 3,
        "behavior": "currentReplicasIfHigher",
    }


def test_the_autoscaler_behaves_as_in_the_rehearsal(chart: HelmChart) -> None:
    (scaled,) = kinds(chart.render(CASES["autoscaled"]), "ScaledObject").values()
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behavior["scaleUp"]["policies"], behavior["scaleDown"]["policies"]
    assert [behavior[each]["selectPolicy"] for each in ("scaleUp", "scaleDown")] == ["Max", "Max"]
    assert [policy["type"] for policy in (*up, *down)] == ["Percent", "Pods", "Percent"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert Behavior() == Behavior(
        up_percent=up[0]["value"],
        up_pods=up[1]["value"],
        up_period_s=up[0]["periodSeconds"],
        down_percent=down[0]["value"],
        down_period_s=down[0]["periodSeconds"],
        down_window_s=behavior["scaleDown"]["stabilizationWindowSeconds"],
    )


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (pools(a={"autoscaling": {"minReplicas": 5}}), "minReplicas is above maxReplicas"),
        (
            pools(a={"autoscaling": {"fallback": {"failureThreshold": 3, "replicas": 9}}}),
            "fallback.replicas is above maxReplicas",
        ),
        (
            pools(a={"autoscaling": {"enabled": True}}) | {"monitoring": {}},
            "workerPools.a.autoscaling needs monitoring.prometheusAddress",
        ),
        (pools(a={"gpu": {"mode": "mig"}}), "needs a migProfile"),
        (
            pools(a={"autoscaling": {"enabled": True}}, b={"autoscaling": {"enabled": True}}),
            "workerPools.a and workerPools.b both scale with the backlog of efficientnet-lite0",
        ),
    ],
)
def test_pools_that_contradict_themselves_are_refused(
    chart: HelmChart, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ChartError, match=complaint):
        chart.render(values)


def autoscaler_rules(chart: HelmChart) -> list[dict[str, Any]]:
    (rules,) = kinds(chart.render(CASES["autoscaled"]), "PrometheusRule").values()
    return list(rules["spec"]["groups"])


def test_the_alerts_of_the_service_and_the_autoscaler_are_installed(chart: HelmChart) -> None:
    shipped = yaml.safe_load(
        (Path(__file__).parents[2] / "infra/prometheus/alerts.yml").read_text()
    )
    *service, autoscaler = autoscaler_rules(chart)
    assert service == shipped["groups"]
    page = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text()
    for rule in autoscaler["rules"]:
        assert f"### {rule['alert']}\n" in page
        assert rule["annotations"]["runbook"] == f"docs/kubernetes.md#{rule['alert'].lower()}"


def series(**values: str) -> list[dict[str, str]]:
    """Return input series of promtool for a pool of efficientnet-lite0."""
    lane = '{lane="efficientnet-lite0:interactive"}'
    scaler = (
        f'{{namespace="keda",exported_namespace="{NAMESPACE}",scaledObject="{NAME}-worker-main"}}'
    )
    names = {
        "backlog": f"seewhy_backlog_device_seconds{lane}",
        "ready": f"seewhy_jobs_ready{lane}",
        "seen": f"keda_scaler_metrics_value{scaler}",
        "errors": f"keda_scaler_detail_errors_total{scaler}",
        "workers": 'seewhy_workers{model="efficientnet-lite0"}',
    }
    return [{"series": names[name], "values": value} for name, value in values.items()]


HEALTHY = {
    "backlog": "239x120",
    "ready": "9x120",
    "seen": "240x120",
    "errors": "0x120",
    "workers": "4x120",
}
ALERT_CASES = {
    "SeewhyAutoscalerMismatch": {"seen": "0x120"},
    "SeewhyAutoscalerBlind": {"errors": "0+2x120"},
    "SeewhyWorkersMissing": {"workers": "1x120"},
}


def test_each_alert_of_the_autoscaler_fires_alone_and_stays_quiet_in_health(
    chart: HelmChart, tmp_path: Path
) -> None:
    promtool = shutil.which("promtool") or skip_without("promtool")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": autoscaler_rules(chart)[-1:]}))
    tests = []
    for fault in (None, *ALERT_CASES):
        given = HEALTHY | (ALERT_CASES[fault] if fault else {})
        checks = [
            {"eval_time": "25m", "alertname": alert, "exp_alerts": _expected(chart, alert, fault)}
            for alert in ALERT_CASES
        ]
        tests.append(
            {"interval": "15s", "input_series": series(**given), "alert_rule_test": checks}
        )
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yml"],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _expected(chart: HelmChart, alert: str, fault: str | None) -> list[dict[str, Any]]:
    if alert != fault:
        return []
    (rule,) = (r for r in autoscaler_rules(chart)[-1]["rules"] if r["alert"] == alert)
    return [{"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}]
