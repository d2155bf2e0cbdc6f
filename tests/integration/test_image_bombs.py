"""Small files of many pixels: the memory of the API and of a worker stays within its limits."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from images import png
from seewhy.ledger.redis.ledger import open_ledger
from servers.process_cluster import Process, ProcessCluster, running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads VmHWM")

SIDE_PX = 2200
BUDGET_MEGAPIXELS = 5
"""One bomb at a time."""
BOMBS = 16
DRAWINGS = 32

PROCESS_BYTES = 300_000_000
"""Less than docs/limits.md says, which allows for small images in all threads."""
API_BYTES_PER_MEGAPIXEL = 13_000_000
WORKER_BYTES_PER_MEGAPIXEL = 16_000_000


def memory_bytes(process: Process, kind: str) -> int:
    """Return `VmHWM`, the peak, or `VmRSS` of the largest process of a tree."""
    main = psutil.Process(process.pid)
    statuses = [Path(f"/proc/{each.pid}/status").read_text() for each in (main, *main.children())]
    return max(int(status.split(f"{kind}:")[1].split()[0]) * 1024 for status in statuses)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """An RGBA image of 5 megapixels in a file of 20 kB."""
    rows = (b"\0" + b"\x40" * (4 * SIDE_PX)) * SIDE_PX
    return png(SIDE_PX, SIDE_PX, depth=8, color_type=6, rows=rows)


@pytest.fixture
def cluster(valkey: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    budgets = dict.fromkeys(("api_megapixels", "worker_megapixels"), BUDGET_MEGAPIXELS)
    with running_api(valkey, tmp_path, **budgets) as running:
        yield running


def submit(cluster: ProcessCluster, bomb: bytes) -> str:
    response = httpx2.post(
        f"{cluster.url}/v1/explanations",
        files={"image": bomb},
        data={"request": '{"cache": false, "outputs": ["overlay"]}'},
        timeout=60,
    )
    assert response.status_code == 202, response.text
    job_id: str = response.json()["id"]
    return job_id


def test_bombs_keep_the_api_and_the_worker_within_their_memory(
    cluster: ProcessCluster, bomb: bytes
) -> None:
    assert len(bomb) < 30_000
    (api,) = cluster.processes
    worker = cluster.start_stub_worker()
    jobs = [submit(cluster, bomb) for _ in range(BOMBS)]
    ledger = open_ledger(cluster.settings)
    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs ended", limit_s=120)
    assert {record.state for job in jobs if (record := ledger.read(job))} == {"succeeded"}
    limit_bytes = PROCESS_BYTES + BUDGET_MEGAPIXELS * WORKER_BYTES_PER_MEGAPIXEL
    assert memory_bytes(worker, "VmHWM") <= limit_bytes
    assert memory_bytes(worker, "VmRSS") <= PROCESS_BYTES

    def draw(number: int) -> tuple[int, str | None]:
        path, query = ("heatmap", "") if number % 8 == 7 else ("overlay", f"?alpha=0.{number + 1}")
        url = f"{cluster.url}/v1/explanations/{jobs[0]}/{path}{query}"
        response = httpx2.get(url, timeout=60)
        code = None if response.status_code == 200 else response.json()["code"]
        assert (response.status_code == 503) == ("retry-after" in response.headers)
        return response.status_code, code

    with ThreadPoolExecutor(DRAWINGS) as threads:
        drawings = threads.map(draw, range(DRAWINGS))
        for path in ("/healthz", f"/v1/explanations/{jobs[0]}"):
            assert httpx2.get(cluster.url + path, timeout=60).status_code == 200
        answers = Counter(drawings)
    assert set(answers) == {(200, None), (503, "too_many_renderings")}
    assert memory_bytes(api, "VmHWM") <= PROCESS_BYTES + BUDGET_MEGAPIXELS * API_BYTES_PER_MEGAPIXEL
    assert memory_bytes(api, "VmRSS") <= PROCESS_BYTES
    assert draw(0) == (200, None)
