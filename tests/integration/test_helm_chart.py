"""The Helm chart: what it renders for the values in infra/helm/seewhy/ci, without a cluster."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from seewhy.settings import PREFIX, load
from seewhy_api.connections.worker import GRACEFUL_TIMEOUT_S
from seewhy_api.webhooks.client import REQUEST_TIMEOUT_S
from servers.helm import (
    CASES,
    CHART,
    NAME,
    HelmChart,
    Manifest,
    container,
    environment,
    kinds,
    pod_specs,
    secrets,
)

KUBERNETES = ("1.33", "1.35", "1.37")
CUSTOM = ("keda.sh/", "monitoring.coreos.com/")
EXAMPLE_SECRETS = {
    "SEEWHY_REDIS_URL": "rediss://api:secret@redis:6379/0",
    "SEEWHY_S3_ACCESS_KEY_ID": "key",
    "SEEWHY_S3_SECRET_ACCESS_KEY": "secret",
    "SEEWHY_WEBHOOK_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "SEEWHY_LABEL_STUDIO_API_KEY": "token",
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def manifests(chart: HelmChart, case: str) -> list[Manifest]:
    return chart.render(CASES[case])


def test_there_are_six_sets_of_values() -> None:
    assert len(CASES) >= 6


def test_helm_lint_finds_nothing(chart: HelmChart, case: str) -> None:
    found = [message for message in chart.lint(CASES[case]) if message["severity"] > 1]
    assert found == []


def test_three_versions_of_kubernetes_accept_every_object(
    chart: HelmChart, manifests: list[Manifest]
) -> None:
    known = [each for each in manifests if not each["apiVersion"].startswith(CUSTOM)]
    assert len(known) >= 7
    assert chart.mistakes(known, versions=KUBERNETES) == []


def test_the_schemas_refuse_a_planted_mistake(chart: HelmChart) -> None:
    api = kinds(chart.render(CASES["minimal"]), "Deployment")[f"{NAME}-api"]
    container(api["spec"]["template"]["spec"])["ports"][0]["contanerPort"] = 1
    (mistake,) = chart.mistakes([api], versions=KUBERNETES[:1])
    assert "contanerPort" in mistake


def test_every_name_is_unique_and_short_enough(chart: HelmChart, case: str) -> None:
    for manifest in (rendered := chart.render(CASES[case], release="r" * 53)):
        assert re.fullmatch(r"[a-z0-9-]{1,63}", manifest["metadata"]["name"])
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered]
    assert len(names) == len(set(names))


def test_every_pod_is_restricted(manifests: list[Manifest]) -> None:
    """The profile `restricted` of the Pod Security Standards, and more."""
    for name, spec in pod_specs(manifests).items():
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys(), name
        assert container(spec)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        for volume in spec.get("volumes", []):
            assert {"emptyDir", "persistentVolumeClaim"} & volume.keys(), name
            assert volume.get("emptyDir", {"sizeLimit": ""}).keys() == {"sizeLimit"}, name


def test_service_links_set_no_settings(manifests: list[Manifest]) -> None:
    """With them, a Service seewhy-api would set SEEWHY_API_PORT to tcp://…."""
    assert {spec["enableServiceLinks"] for spec in pod_specs(manifests).values()} == {False}


def test_every_pod_requests_and_limits_memory(manifests: list[Manifest]) -> None:
    for name, spec in pod_specs(manifests).items():
        resources = container(spec)["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys(), name
        assert "memory" in resources["limits"], name


def test_no_secret_is_rendered(manifests: list[Manifest]) -> None:
    assert kinds(manifests, "Secret") == {}
    for spec in pod_specs(manifests).values():
        assert not environment(spec).keys() & EXAMPLE_SECRETS.keys()


def test_the_settings_of_each_process_are_valid(manifests: list[Manifest]) -> None:
    for name, spec in pod_specs(manifests).items():
        variables = environment(spec) | {key: EXAMPLE_SECRETS[key] for key in secrets(spec)}
        settings = load({k: v for k, v in variables.items() if k.startswith(PREFIX)})
        if not name.endswith(("-bucket", "-prepull")):
            assert settings.redis_url == EXAMPLE_SECRETS["SEEWHY_REDIS_URL"], name
            assert settings.metrics_host == "0.0.0.0", name  # noqa: S104
        if name.endswith("-api"):
            assert settings.auth == "keys"
            assert f"{NAME}-api" in settings.api_allowed_hosts
        if name.endswith("-dispatcher"):
            assert settings.needs_dispatcher


def test_ports_of_metrics_and_http_are_those_of_the_settings(manifests: list[Manifest]) -> None:
    for spec in pod_specs(manifests).values():
        variables = environment(spec)
        for port in container(spec).get("ports", ()):
            ending = {"http": "_API_PORT", "metrics": "_METRICS_PORT"}[port["name"]]
            (value,) = (v for k, v in variables.items() if k.endswith(ending))
            assert str(port["containerPort"]) == value


def test_probes_never_start_a_process(manifests: list[Manifest]) -> None:
    for name, deployment in kinds(manifests, "Deployment").items():
        only = container(deployment["spec"]["template"]["spec"])
        probes = {key: probe["httpGet"] for key, probe in only.items() if key.endswith("Probe")}
        path = "/healthz" if name.endswith("-api") else "/metrics"
        assert probes["livenessProbe"]["path"] == probes["startupProbe"]["path"] == path
        assert ("readinessProbe" in probes) == name.endswith("-api")


def test_a_pod_has_the_time_that_its_process_needs_to_stop(manifests: list[Manifest]) -> None:
    needed_s = {"api": 5 + GRACEFUL_TIMEOUT_S, "dispatcher": REQUEST_TIMEOUT_S, "worker": 30}
    for deployment in kinds(manifests, "Deployment").values():
        component = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
        spec = deployment["spec"]["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] > needed_s[component]


def test_selectors_find_the_pods_of_one_component(manifests: list[Manifest]) -> None:
    pods = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in manifests
        if "template" in each.get("spec", {})
    ]

    def found(selector: dict[str, str]) -> list[dict[str, str]]:
        return [labels for labels in pods if selector.items() <= labels.items()]

    for deployment in kinds(manifests, "Deployment").values():
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert found(selector) == [deployment["spec"]["template"]["metadata"]["labels"]]
    for budget in kinds(manifests, "PodDisruptionBudget").values():
        assert len(found(budget["spec"]["selector"]["matchLabels"])) == 1
    (service,) = kinds(manifests, "Service").values()
    assert len(found(service["spec"]["selector"])) == 1


def test_every_deployment_has_a_budget_an_account_and_spreads(manifests: list[Manifest]) -> None:
    accounts = kinds(manifests, "ServiceAccount")
    assert {each["automountServiceAccountToken"] for each in accounts.values()} == {False}
    for name, deployment in kinds(manifests, "Deployment").items():
        spec = deployment["spec"]["template"]["spec"]
        assert name in kinds(manifests, "PodDisruptionBudget")
        assert spec["serviceAccountName"] in accounts
        keys = [each["topologyKey"] for each in spec["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_the_versions_of_the_chart_and_the_project_are_equal() -> None:
    chart: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'\nversion = "{chart["version"]}"\n' in project
    assert chart["appVersion"] == chart["version"]
