"""How long the ledger's scripts block Redis while jobs, tenants and origins grow.

Starts a private Valkey, fills it and reads the CPU time of the server's main thread around each
script, so that neither Python nor other work of the machine is counted. Prints Markdown.

    PYTHONPATH=tests python benchmarks/ledger_growth.py
"""

import argparse
import itertools
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import Claim, Completion, LedgerPolicy, Submission, lane_of, lanes_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority
from servers.valkey import start_valkey

LANE, LANES = lane_of("vgg16", Priority.INTERACTIVE), lanes_of("vgg16")
CLOCK = "local function now_ms() return tonumber(redis.call('GET', 'clock')) end"
START_MS = 1_800_000_000_000
JOB = "x" * 700
"""As long as a typical job."""
CALLS = 100


class TimedRedis(Redis):
    """A client that notes how long the server worked on each script, in ms, while `timing`."""

    timing = False
    reading_ms = 0.0
    """What reading the time itself takes."""

    def evalsha(self, *arguments: Any) -> Any:
        """Execute a script."""
        if not self.timing:
            return super().evalsha(*arguments)
        before_ms = self._cpu_ms()
        answer = super().evalsha(*arguments)
        self.times_ms.append(max(0, self._cpu_ms() - before_ms - self.reading_ms))
        return answer

    def calibrate(self) -> None:
        """Measure what reading the time takes."""
        times = [self._cpu_ms() for _ in range(100)]
        self.reading_ms = statistics.median(b - a for a, b in itertools.pairwise(times))

    def times_of(self, call: Callable[[], object], count: int) -> list[float]:
        """Return the times of the scripts that `count` calls execute, ascending."""
        self.times_ms: list[float] = []
        self.timing = True
        for _ in range(count):
            call()
        self.timing = False
        return sorted(self.times_ms)

    def _cpu_ms(self) -> float:
        cpu = self.info("cpu")
        return 1000 * float(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"])


class Bench:
    """A ledger whose clock is set by hand, and the times that its scripts took."""

    def __init__(self, client: TimedRedis) -> None:
        """Start empty."""
        client.calibrate()
        client.set("clock", START_MS)
        self.client = client
        policy = LedgerPolicy(lane_limit=10**7, tenant_limit=10**7)
        self.ledger = RedisLedger(client, policy=policy, clock=CLOCK)
        self.submitted = 0
        self.work()
        self.ledger.sweep()

    def submit(self, *, tenant: str = "t", **more: object) -> str:
        """Submit one job and return its id."""
        self.submitted += 1
        job_id = f"{self.submitted:032d}"
        context = RequestContext(tenant)
        self.ledger.submit(Submission(job_id, LANE, JOB, context=context, **more))  # type: ignore[arg-type]
        return job_id

    def fill(self, count: int, *, tenants: int = 1, **more: object) -> None:
        """Submit `count` jobs; the tenants take turns."""
        for n in range(count):
            self.submit(tenant=f"tenant-{n % tenants}", **more)

    def advance(self, ms: int) -> None:
        """Set the clock forward."""
        self.client.incrby("clock", ms)

    def times_ms(self, call: Callable[[], object], count: int = CALLS) -> list[float]:
        """Return how long each script executed during `count` calls, in ms, ascending."""
        return self.client.times_of(call, count)

    def memory_mb(self) -> float:
        """Return the memory that the server uses for data."""
        return float(self.client.info("memory")["used_memory"]) / 1e6

    def position(self) -> None:
        """Ask for the queue position of a random job."""
        self.ledger.work_ahead(f"{random.randint(1, self.submitted):032d}")  # noqa: S311

    def claim_into(self, claims: list[Claim]) -> None:
        """Claim a batch of eight."""
        claims += self.ledger.claim(LANES, owner="w", limit=8)

    def work(self) -> tuple[list[float], list[float]]:
        """Claim and complete batches of eight; return the times of both."""
        claiming, completing = [], []
        for _ in range(CALLS // 4):
            taken: list[Claim] = []
            claiming += self.times_ms(partial(self.claim_into, taken), 1)
            done = [Completion(claim, "r" * 700) for claim in taken]
            completing += self.times_ms(partial(self.ledger.complete, done), 1)
        return sorted(claiming), sorted(completing)


def summary(times: list[float]) -> str:
    """Format the median, the 99th percentile and the maximum."""
    at_99 = times[min(len(times) - 1, math.ceil(0.99 * len(times)) - 1)]
    return f"{times[len(times) // 2]:.2f} / {at_99:.2f} / {times[-1]:.2f}"


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows as they are measured."""
    names = list(columns)
    print(f"\n{title}\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def measure_queue(client: TimedRedis, waiting: int, tenants: int) -> list[object]:
    """Measure the calls of a job's life with `waiting` jobs of `tenants`."""
    bench = Bench(client)
    bench.fill(waiting, tenants=tenants)
    memory_mb = bench.memory_mb()
    submit = bench.times_ms(lambda: bench.submit(tenant=f"tenant-{bench.submitted % tenants}"))
    position = bench.times_ms(bench.position)
    claim, complete = bench.work()
    bench.advance(3_600_000)
    sweep = bench.times_ms(bench.ledger.sweep, 20)
    return [*map(summary, (submit, position, claim, complete, sweep)), f"{memory_mb:.0f} MB"]


def measure_status(client: TimedRedis, waiting: int, tenants: int) -> list[object]:
    """Measure what one scrape of the metrics reads, with `waiting` jobs of `tenants`."""
    bench = Bench(client)
    bench.fill(waiting, tenants=tenants)
    return [f"{tenants:,}", summary(bench.times_ms(bench.ledger.status))]


def measure_origins(client: TimedRedis, origins: int) -> list[object]:
    """Measure the dispatchers' calls with a due delivery at each origin."""
    bench = Bench(client)
    for n in range(origins):
        bench.ledger.cancel(bench.submit(webhook_url=f"https://host-{n}.test/hook"))
    wakeups = bench.times_ms(bench.ledger.outbox.wakeups_needed)
    lease = bench.times_ms(lambda: bench.ledger.outbox.lease_origin(limit=50))
    return [summary(wakeups), summary(lease), f"{bench.memory_mb():.0f} MB"]


def measure_expired(client: TimedRedis, expired: int) -> list[object]:
    """Measure one claim when `expired` jobs wait past their deadline."""
    bench = Bench(client)
    bench.fill(expired, deadline_ms=1000)
    bench.advance(10_000)
    return [summary(bench.times_ms(lambda: bench.ledger.claim(LANES, owner="w", limit=8), 1))]


def measure_departed(client: TimedRedis, tenants: int) -> list[object]:
    """Measure one claim when `tenants` have cancelled their only job."""
    bench = Bench(client)
    for n in range(tenants):
        bench.ledger.cancel(bench.submit(tenant=f"tenant-{n}"))
    return [summary(bench.times_ms(lambda: bench.ledger.claim(LANES, owner="w", limit=8), 1))]


def measure_duplicates(client: TimedRedis, duplicates: int) -> list[object]:
    """Measure the completion of eight originals with `duplicates` each, and the sweeps after it."""
    bench = Bench(client)
    for n in range(8 * (duplicates + 1)):
        bench.submit(fingerprint=f"fingerprint-{n % 8}")
    claims = bench.ledger.claim(LANES, owner="w", limit=8)
    done = [Completion(claim, "r" * 700) for claim in claims]
    complete = bench.times_ms(lambda: bench.ledger.complete(done), 1)
    return [summary(complete), summary(bench.times_ms(bench.ledger.sweep, 20))]


def on_new_server(
    measure: Callable[..., list[object]], count: int, *arguments: int
) -> list[object]:
    """Return a row of a table: the count, and what was measured on a server of its own."""
    with (
        tempfile.TemporaryDirectory() as directory,
        start_valkey(Path(directory), appendonly=False) as server,
        TimedRedis.from_url(server.url, decode_responses=True) as client,
    ):
        return [f"{count:,}", *measure(client, count, *arguments)]


def main() -> None:
    """Measure and print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="Multiply all counts.")
    arguments = parser.parse_args()

    def sizes(*counts: int) -> list[int]:
        return [max(1, int(count * arguments.scale)) for count in counts]

    calls = ("submit", "position", "claim 8", "complete 8", "sweep", "memory")
    print("Milliseconds of CPU time that one script takes: median / 99th percentile / maximum.")
    print_table(
        "One tenant:",
        ("waiting", *calls),
        (on_new_server(measure_queue, n, 1) for n in sizes(1_000, 100_000, 200_000)),
    )
    print_table(
        "One job of each tenant:",
        ("tenants", *calls),
        (on_new_server(measure_queue, n, n) for n in sizes(1_000, 10_000, 30_000)),
    )
    print_table(
        "The status that a scrape of the metrics reads:",
        ("waiting", "tenants", "status"),
        [
            *(on_new_server(measure_status, n, 1) for n in sizes(1_000, 100_000, 1_000_000)),
            *(on_new_server(measure_status, n, n) for n in sizes(30_000)),
        ],
    )
    print_table(
        "One due delivery at each origin:",
        ("origins", "wakeups needed", "lease an origin", "memory"),
        (on_new_server(measure_origins, n) for n in sizes(1_000, 10_000, 50_000)),
    )
    print_table(
        "One claim when all waiting jobs have expired:",
        ("expired", "claim"),
        (on_new_server(measure_expired, n) for n in sizes(1_000, 10_000, 50_000, 200_000)),
    )
    print_table(
        "One claim when all tenants have cancelled their jobs:",
        ("tenants", "claim"),
        (on_new_server(measure_departed, n) for n in sizes(1_000, 30_000)),
    )
    print_table(
        "Eight originals finish in one report:",
        ("duplicates of each", "complete", "20 sweeps"),
        (on_new_server(measure_duplicates, n) for n in sizes(100, 1_000)),
    )


if __name__ == "__main__":
    main()
