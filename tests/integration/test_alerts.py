"""The alerts of infra/prometheus: promtool runs their tests, and each has an entry in the docs."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "prometheus"
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alert_names() -> list[str]:
    return [rule["alert"] for rule in rules() if "alert" in rule]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        assert not os.environ.get("CI"), "CI needs promtool, from Debian's package prometheus"
        pytest.skip("promtool is not installed")
    return found


def test_each_alert_fires_and_stays_quiet_as_its_tests_say(promtool: str) -> None:
    command = [promtool, "test", "rules", "alerts.test.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_of_each_kind() -> None:
    cases = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    assert [case["name"] for case in cases] == [
        f"{name} {outcome}" for name in alert_names() for outcome in ("fires", "stays quiet")
    ]


def test_every_alert_has_an_entry_in_the_runbook_and_links_to_it() -> None:
    assert re.findall(r"^### (Seewhy\w+)$", PAGE, re.MULTILINE) == alert_names()
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_alerts_and_the_runbook_use_metrics_that_exist() -> None:
    listed = set(re.findall(r"^\| `(seewhy_\w+)` \|", PAGE, re.MULTILINE))
    expressions = " ".join(rule["expr"] for rule in rules())
    runbook = PAGE.partition("## Alerts")[2]
    for name in re.findall(r"\bseewhy_\w+", expressions + runbook):
        assert re.sub(r"_(bucket|count|sum)$", "", name) in listed, name
