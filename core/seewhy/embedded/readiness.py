"""Wait until a service on this machine runs jobs without delay."""

import time
from collections.abc import Callable
from typing import Any

import httpx2

from seewhy.embedded.errors import StartFailed
from seewhy.settings import Settings

_PROBE_INTERVAL_S = 0.25
_REPORT_INTERVAL_S = 10.0
_TIMEOUT_S = 600.0


def api_url(settings: Settings) -> str:
    """Return the URL at which this machine reaches the API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def wait_until_ready(
    settings: Settings,
    *,
    poll: Callable[[], None],
    report: Callable[[str, str], None] = lambda _name, _line: None,
    timeout_s: float = _TIMEOUT_S,
    workers: int = 1,
) -> str:
    """Return the service's URL once the API is ready and `workers` have each resident model.

    Calls `poll` while it waits, and `report(name, line)` with the progress of the API and the
    worker. Raises `StartFailed` after `timeout_s`, and what `poll` raises.
    """
    url = api_url(settings)
    missing = ", ".join(settings.resident_models)
    api_is_ready = False
    started_s = time.monotonic()
    next_report_s = _REPORT_INTERVAL_S
    report("worker", f"loading {missing}" if missing else "starting")
    with httpx2.Client(timeout=2.0, trust_env=False) as client:
        while (elapsed_s := time.monotonic() - started_s) < timeout_s:
            poll()
            alive = _live_workers(client, url)
            if alive is not None:
                if not api_is_ready:
                    report("api", "accepting requests")
                api_is_ready = True
                missing = ", ".join(
                    m for m in settings.resident_models if alive["models"].get(m, 0) < workers
                )
                if not missing and alive["count"] >= workers:
                    report("worker", f"ready after {elapsed_s:.1f} s")
                    return url
            if elapsed_s >= next_report_s:
                what = f"loading {missing}" if missing else "starting"
                report("worker", f"still {what} ({elapsed_s:.0f} s)")
                next_report_s += _REPORT_INTERVAL_S
            time.sleep(_PROBE_INTERVAL_S)
    few = "no worker has" if workers == 1 else f"fewer than {workers} workers have"
    done = f"loaded {missing}" if missing else "started"
    cause = f"{few} {done}" if api_is_ready else "the API does not answer"
    raise StartFailed(f"{url} was not ready within {timeout_s:g} s: {cause}")


def _live_workers(client: httpx2.Client, url: str) -> dict[str, Any] | None:
    """Return how many workers are alive, and have each model; None while the API is not ready."""
    try:
        response = client.get(f"{url}/readyz")
    except httpx2.TransportError:
        return None  # it does not listen yet
    if response.status_code != httpx2.codes.OK:
        return None
    return dict(response.json()["workers"] or {"count": 0, "models": {}})
