"""Twenty thousand jobs, and what they leave behind in the processes that ran them (F35).

    python -m faults.soak --jobs 20000 --plot soak.svg

The API, a worker with the stub for a model, and Valkey run as real processes; pictures go in over
HTTP. Resident memory, file descriptors and threads are sampled on the way. After a warm-up, a
straight line is laid through each: what it climbs by the end must be next to nothing. Finished jobs
are known for a minute only, so that Valkey's memory comes to rest as well. Exits with 1 when
something climbed, or a job was lost.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import psutil

from faults.soak_drawing import draw
from faults.submitter import ASKED
from images import encoded, gradient
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.schemas.job import JobState
from seewhy.settings import load
from servers.house import House, house
from servers.valkey import start_valkey
from servers.waiting import wait_until

WARM_UP = 0.4
"""The part of the jobs that is not judged: pools fill, and finished jobs begin to be forgotten."""
RETENTION_S = 60
AHEAD = 200
"""How many jobs may wait or run at once; a backlog would look like a leak."""
CLIMB = {"memory": 8.0, "descriptors": 8.0, "threads": 8.0}
"""How much each may climb, in MB or as a number, from the warm-up to the end."""
UNITS = {"memory": "MB", "descriptors": "", "threads": ""}


@dataclass(frozen=True, slots=True)
class Look:
    """One process at one moment."""

    done: int
    """Jobs that have ended so far."""
    memory: float
    """Resident, in MB."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Climb:
    """How much one measure of one process rose from the warm-up to the end, along a line."""

    process: str
    measure: str
    climbed: float

    @property
    def flat(self) -> bool:
        """Whether that is next to nothing."""
        return self.climbed <= CLIMB[self.measure]

    def __str__(self) -> str:
        verdict = "flat" if self.flat else f"CLIMBS, more than {CLIMB[self.measure]:g}"
        unit = UNITS[self.measure]
        return f"{self.process:8} {self.measure:12} {self.climbed:+8.2f} {unit:3} {verdict}"


def climbs(process: str, looks: Sequence[Look], *, warm_up: float = WARM_UP) -> list[Climb]:
    """Lay a line through each measure, over the jobs after the warm-up."""
    last = looks[-1].done
    judged = [look for look in looks if look.done >= warm_up * last]
    done = np.array([look.done for look in judged], dtype=float)
    span = done[-1] - done[0]
    if span == 0:
        raise ValueError("too few jobs to judge by")
    return [
        Climb(process, measure, span * _slope(done, [getattr(look, measure) for look in judged]))
        for measure in CLIMB
    ]


def _slope(done: "np.ndarray", values: Sequence[float]) -> float:
    return float(np.polyfit(done, np.array(values, dtype=float), 1)[0])


def look_at(pid: int, *, done: int) -> Look:
    """Measure a process, or its children's sum where it only looks after them."""
    process = psutil.Process(pid)
    family = process.children() or [process]
    return Look(
        done=done,
        memory=sum(each.memory_info().rss for each in family) / 1e6,
        descriptors=sum(each.num_fds() for each in family),
        threads=sum(each.num_threads() for each in family),
    )


class Watch:
    """Samples processes until it is stopped."""

    def __init__(self, pids: dict[str, int], ledger: RedisLedger, *, interval_s: float) -> None:
        self.looks: dict[str, list[Look]] = {name: [] for name in pids}
        self._pids = pids
        self._ledger = ledger
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look once more and end."""
        self._stopped.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        done = sum(self._ledger.counts().terminal.values())
        for name, pid in self._pids.items():
            self.looks[name].append(look_at(pid, done=done))


@contextmanager
def running(directory: Path) -> Iterator[tuple[House, dict[str, int], RedisLedger]]:
    """Run Valkey, the API and a worker for the length of the block."""
    with start_valkey(directory / "valkey") as server:
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{directory}/objects",
            default_model="efficientnet-lite0",
            api_port=free_port(),
            retention_s=RETENTION_S,
        )
        with house(settings, directory) as building:
            worker = building.start_stub_worker()
            api = building.start_api()
            wait_until(lambda: "ready." in building.log("worker"), what="the worker consumes")
            pids = {"API": api.pid, "worker": worker.pid, "Valkey": server.pid}
            yield building, pids, open_ledger(settings)


def submit(url: str, jobs: int, ledger: RedisLedger, *, threads: int = 4) -> None:
    """Ask for so many explanations, never far ahead of the worker."""
    pictures = [encoded(gradient(40 + n, 24 + n), "PNG") for n in range(16)]
    room = threading.BoundedSemaphore(AHEAD)

    def ask(number: int) -> None:
        room.acquire()
        answer = client.post(
            f"{url}/v1/explanations",
            files={"image": pictures[number % len(pictures)]},
            data={"request": ASKED},
            headers={"Idempotency-Key": f"soak-{number}"},
        )
        assert answer.status_code == 202, answer.text

    with httpx2.Client(timeout=30) as client, ThreadPoolExecutor(threads) as pool:
        asked = [pool.submit(ask, number) for number in range(jobs)]
        let_in = AHEAD
        while not all(future.done() for future in asked):
            ended = sum(ledger.counts().terminal.values())
            for _ in range(ended + AHEAD - let_in):
                room.release()
            let_in = ended + AHEAD
            time.sleep(0.05)
        for future in asked:
            future.result()


def soak(jobs: int, *, interval_s: float = 1.0) -> dict[str, list[Look]]:
    """Run so many jobs; return what was seen of each process. Fails when one did not succeed."""
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        running(Path(folder)) as (building, pids, ledger),
    ):
        watch = Watch(pids, ledger, interval_s=interval_s)
        watch.start()
        try:
            submit(building.url, jobs, ledger)
            wait_until(lambda: ledger.counts().non_terminal == 0, what="every job has ended")
        finally:
            watch.stop()
        counts = ledger.counts()
    assert (counts.terminal, counts.drift) == ({JobState.SUCCEEDED: jobs}, 0), counts
    return watch.looks


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, judge, draw."""
    parser = argparse.ArgumentParser(prog="python -m faults.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--plot", type=Path, help="where to draw it, as an SVG")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    looks = soak(chosen.jobs)
    print(f"{chosen.jobs} jobs in {time.monotonic() - started:.0f} s")
    found = [climb for name, seen in looks.items() for climb in climbs(name, seen)]
    for climb in found:
        print(climb)
    if chosen.plot:
        draw(looks, chosen.plot, warm_up=WARM_UP)
    return 0 if all(climb.flat for climb in found) else 1


if __name__ == "__main__":
    sys.exit(main())
