"""Look up known vulnerabilities of the locked packages in the OSV database, by pip-audit.

`python -m supply_chain.audit` exits with 1 for a vulnerability and with 2 when it cannot tell.
With `--skip-unreachable` it exits with 0, and says so, when the database cannot be reached. The
pins that apply to this platform and this version of Python are looked up.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from supply_chain.locks import ALL, lock_path

OSV_URL = "https://api.osv.dev/v1/query"
_TIMEOUT_S = 600
_NETWORK_ERRORS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")


class AuditFailed(Exception):
    """The audit did not reach an answer."""


class Unreachable(AuditFailed):
    """The database cannot be reached."""


def find_vulnerabilities(lock: Path, *, osv_url: str) -> list[str]:
    """Return a line for each vulnerability of a package in the lock.

    Raises `Unreachable` and `AuditFailed`.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"]
    command += ["--osv-url", osv_url, "--require-hashes", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", str(lock)]
    try:
        run = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise AuditFailed(f"no answer within {_TIMEOUT_S} s") from None
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except ValueError:
        last_line = run.stderr.strip().rpartition("\n")[2][:200]
        kind = Unreachable if any(name in run.stderr for name in _NETWORK_ERRORS) else AuditFailed
        raise kind(last_line) from None
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        raise AuditFailed(f"pip-audit skipped {', '.join(skipped)}")
    return [_describe(package, found) for package in packages for found in package["vulns"]]


def _describe(package: dict[str, Any], found: dict[str, Any]) -> str:
    fixed = ", ".join(found["fix_versions"]) or "no version"
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def main() -> int:
    """Audit every lock and print what was found; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m supply_chain.audit", description=__doc__)
    parser.add_argument("--skip-unreachable", action="store_true")
    parser.add_argument("--osv-url", default=OSV_URL)
    parser.add_argument("locks", nargs="*", type=Path, default=[lock_path(name) for name in ALL])
    options = parser.parse_args()
    found = False
    for lock in options.locks:
        try:
            lines = find_vulnerabilities(lock, osv_url=options.osv_url)
        except Unreachable as error:
            sys.stdout.write(f"==> SKIPPED: cannot reach the vulnerability database ({error})\n")
            return 1 if found else 0 if options.skip_unreachable else 2
        except AuditFailed as error:
            sys.stdout.write(f"==> {lock.name}: the audit failed: {error}\n")
            return 2
        sys.stdout.write(f"==> {lock.name}: {len(lines)} known vulnerabilities\n")
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        found = found or bool(lines)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
