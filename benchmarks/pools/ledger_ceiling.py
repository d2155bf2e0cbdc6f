"""L5: how many jobs a second go through submit, claim and complete, with no API, store or model.

Submitters and claimers are threads of processes of their own, as they are in a service. The server
is a private Valkey with the append-only file that a deployment has. Each job counts once, from its
submission to its success; the figures are those of the time in which the first fifth of the jobs
has ended and the last tenth has not.
"""

import multiprocessing
import tempfile
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from redis import Redis

from pools.section import Plan, Section
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import Completion, LedgerPolicy, Submission, lane_of, lanes_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority
from seewhy_loadtest.report.blocks import Table, Text
from servers.valkey import start_valkey

LANE, LANES = lane_of("vgg16", Priority.INTERACTIVE), lanes_of("vgg16")
JOB, RESULT = "x" * 700, "y" * 1_500
"""As long as a typical job and a typical result."""
BATCH = 8
BACKLOG = 2_000
"""Submitters wait while so many jobs are open, so that the queue neither grows nor runs dry."""
FIRST, LAST = 0.2, 0.9
"""The measured part of the jobs."""


@dataclass(frozen=True)
class Ceiling:
    """What one run measured, for each job unless the name says otherwise."""

    jobs_per_s: float
    server_us: float
    """Time of the server's main thread."""
    clients_us: float
    """Processor time of all submitters and claimers."""
    server_share: float
    """Processor time of the server's main thread for each second."""
    calls: float
    """Scripts that clients called."""
    commands: float
    """Commands that the scripts executed."""
    network_bytes: float
    memory_bytes: float
    """What a record of an ended job keeps."""
    log_bytes: float
    """What a job adds to the append-only file."""


def ledger_ceiling(_: Plan) -> Section:
    """Measure once."""
    found = asdict(measure())
    return Section(
        title="The ledger alone",
        blocks=[
            Text("Submissions, claims and completions without the API, the store and a model."),
            Table(["measure", "value"], [[name, f"{value:.4g}"] for name, value in found.items()]),
        ],
        document=found,
    )


def measure(*, jobs: int = 40_000, processes: int = 2, claimers: int = 32) -> Ceiling:
    """Run `jobs` jobs through `claimers` threads and as many submitters as `processes` have."""
    with tempfile.TemporaryDirectory() as directory, start_valkey(Path(directory)) as server:
        context = multiprocessing.get_context("spawn")
        begin = context.Barrier(processes + 1)
        clocks: Any = context.Queue()
        share = (jobs // processes, claimers // processes)
        workers = [
            context.Process(target=_clients, args=(server.url, *share, begin, clocks))
            for _ in range(processes)
        ]
        for worker in workers:
            worker.start()
        with server.client() as client:
            client.config_set("auto-aof-rewrite-percentage", 0)  # its size counts what was written
            begin.wait()
            ledger = _ledger(client)
            total = processes * share[0]
            started, ended = (_snapshot(ledger, client, part * total) for part in (FIRST, LAST))
            clients_s = sum(clocks.get() for _ in workers)
            for worker in workers:
                worker.join()
            assert ledger.counts().terminal == {JobState.SUCCEEDED: total}, ledger.counts()
        log = sum(file.stat().st_size for file in Path(directory).rglob("*.aof"))
    return _ceiling(started, ended, clients_us=1e6 * clients_s / total, log_bytes=log / total)


def _ledger(client: Redis) -> RedisLedger:
    limit = 10**8
    return RedisLedger(client, policy=LedgerPolicy(lane_limit=limit, tenant_limit=limit))


def _clients(url: str, jobs: int, claimers: int, begin: Barrier, clocks: Any) -> None:
    """Submit `jobs` jobs and complete jobs until none is open; report the processor time."""
    ledger = _ledger(Redis.from_url(url, decode_responses=True, max_connections=100))
    submitted = threading.Event()
    threads = [threading.Thread(target=_claim, args=(ledger, submitted)) for _ in range(claimers)]
    threads.append(threading.Thread(target=_submit, args=(ledger, jobs, submitted)))
    begin.wait()
    before_s = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clocks.put(time.process_time() - before_s)


def _submit(ledger: RedisLedger, jobs: int, submitted: threading.Event) -> None:
    for number in range(jobs):
        while number % 100 == 0 and ledger.counts().non_terminal > BACKLOG:
            time.sleep(0.005)
        context = RequestContext(f"t{number % 10}")
        ledger.submit(Submission(uuid.uuid4().hex, LANE, JOB, context=context))
    submitted.set()


def _claim(ledger: RedisLedger, submitted: threading.Event) -> None:
    owner = uuid.uuid4().hex
    while True:
        was_last = submitted.is_set()
        claims = ledger.claim(LANES, owner=owner, limit=BATCH)
        if claims:
            ledger.complete([Completion(claim, RESULT) for claim in claims])
        elif was_last and ledger.counts().non_terminal == 0:
            return
        if len(claims) < BATCH:
            time.sleep(0.05)  # as a worker whose device is busy: full batches cost least


def _snapshot(ledger: RedisLedger, client: Redis, ended: float) -> dict[str, float]:
    """Return the counters of the server when so many jobs have ended."""
    while (now := ledger.counts().terminal.get(JobState.SUCCEEDED, 0)) < ended:
        time.sleep(0.02)
    info: dict[str, Any] = client.info("all")
    calls = {name: stats["calls"] for name, stats in info.items() if name.startswith("cmdstat_")}
    return {
        "ended": now,
        "at_s": time.perf_counter(),
        "server_s": info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"],
        "calls": calls["cmdstat_evalsha"],
        "commands": sum(calls.values()) - calls["cmdstat_evalsha"],
        "network": info["total_net_input_bytes"] + info["total_net_output_bytes"],
        "memory": info["used_memory_dataset"],
    }


def _ceiling(
    started: dict[str, float], ended: dict[str, float], *, clients_us: float, log_bytes: float
) -> Ceiling:
    jobs = ended["ended"] - started["ended"]
    per_job = {name: (ended[name] - started[name]) / jobs for name in ended}
    return Ceiling(
        jobs_per_s=1 / per_job["at_s"],
        server_us=1e6 * per_job["server_s"],
        clients_us=clients_us,
        server_share=per_job["server_s"] / per_job["at_s"],
        calls=per_job["calls"],
        commands=per_job["commands"],
        network_bytes=per_job["network"],
        memory_bytes=per_job["memory"],
        log_bytes=log_bytes,
    )
