"""The environment of one fault run: the whole service as real processes behind fault proxies."""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from faults.checker import History
from faults.event_log import EventLog
from faults.sample_images import IMAGES, expected_maps
from faults.sampler import Sample
from faults.submitter import SubmissionLog, Submitter
from faults.worker_pool import WorkerPool
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import ObjectNotFound
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import JobEvent, JobRecord
from seewhy.schemas.job import JobState
from seewhy.settings import Settings, load
from seewhy.storage.keys import RESULT_DOCUMENT, manifest_key, result_key, result_prefix
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from servers.poison import Poison, poison_image
from servers.process_cluster import Process, ProcessCluster, kill_tree, start_cluster
from servers.proxy import FaultProxy, start_proxy
from servers.stores import start_store
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

BATCH_ITEMS = 350
"""More than three chunks, and few enough that the ledger keeps the events of all."""
_FLUSH_WHEN_SAFE = """
for _, list in ipairs({'{seewhy}:unarchived', '{seewhy}:unarchived_batches'}) do
  if redis.call('ZCARD', list) > 0 then return 0 end
end
redis.call('FLUSHALL')
return 1
"""


@dataclass(kw_only=True)
class Environment:
    """What a scenario may break, and connections for observation that bypass the fault proxies."""

    rng: random.Random
    resources: ExitStack
    """What a scenario starts and the end of the environment stops."""
    settings: Settings
    """Settings with direct addresses of all servers."""
    valkey: RedisServer
    api_redis_proxy: FaultProxy
    worker_redis_proxy: FaultProxy
    store_proxy: FaultProxy | None
    """The proxy to S3; None where the store is a folder."""
    api: ProcessCluster
    second_api: ProcessCluster
    """A second API on another port, not started."""
    workers: WorkerPool
    event_log: EventLog
    batch_items: int
    """How many items a batch of a scenario has."""
    canary: Path
    """A file that exists only if a worker unpickled a message."""
    submitter: Submitter
    submissions: SubmissionLog
    ledger: RedisLedger
    store: ObjectStore
    redis: "Redis"
    expected_failures: Mapping[str, str]
    """Idempotency-Key → the error code of its job."""
    fault_times_ms: list[int] = field(default_factory=list)
    saved_events: list[JobEvent] | None = None
    """The events up to a moment after which an attack displaces them from the stream."""

    def record_fault(self) -> None:
        """Note that a fault has just ended: recovery time counts from here."""
        self.fault_times_ms.append(round(time.time() * 1000))

    def kill(self, process: Process) -> None:
        """Send SIGKILL to a process and its descendants."""
        kill_tree(process)

    def kill_api(self) -> None:
        """Send SIGKILL to gunicorn's master and its serving process."""
        kill_tree(self.api.processes[-1])

    @property
    def submit_marker(self) -> bytes:
        """The bytes that identify a submission to the ledger on the wire."""
        return self.ledger.scripts.script("submission/submit").sha.encode()

    def flush_redis(self) -> None:
        """Empty Redis at a moment when no accepted job can be lost by it (docs/ledger.md).

        That is: no outcome waits to be archived, and no submission is unconfirmed.
        """
        with self.event_log.emptying():
            wait_until(
                lambda: (
                    not self.submitter.unconfirmed and bool(self.redis.eval(_FLUSH_WHEN_SAFE, 0))
                ),
                what="Redis may be emptied",
            )

    def pause(self, shortest_s: float, longest_s: float) -> None:
        """Sleep for a random time within the bounds."""
        time.sleep(self.rng.uniform(shortest_s, longest_s))

    def all_accepted(self) -> bool:
        """Whether every job of the submitter is accepted."""
        return len(self.submissions) == len(self.submitter.keys)

    def all_ended(self) -> bool:
        """Whether every job is accepted and has an outcome."""
        return self.all_accepted() and self.ledger.counts().non_terminal == 0

    def succeeded_count(self) -> int:
        """Return the number of succeeded jobs."""
        return self.ledger.counts().terminal.get(JobState.SUCCEEDED, 0)

    def running_jobs(self) -> list[str]:
        """Return the ids of running jobs."""
        return [r.job_id for r in self.records().values() if r.state is JobState.RUNNING]

    def failed_keys(self) -> set[str]:
        """Return the idempotency keys of failed jobs."""
        ids = {r.job_id for r in self.records().values() if r.state is JobState.FAILED}
        return {
            submission.key for submission in self.submissions.read() if submission.job_id in ids
        }

    def await_accepted(self, jobs: int) -> None:
        """Return when `jobs` jobs in total are accepted."""
        wait_until(
            lambda: len(self.submissions) >= jobs, what=f"{jobs} jobs are accepted", limit_s=90
        )

    def await_running(self) -> None:
        """Return when a job is running."""
        wait_until(lambda: bool(self.running_jobs()), what="a job is running")

    def await_progress(self, jobs: int) -> None:
        """Return when `jobs` more jobs have succeeded, or all of them."""
        wanted = min(self.succeeded_count() + jobs, len(self.submitter.keys))
        wait_until(lambda: self.succeeded_count() >= wanted, what=f"{wanted} jobs have succeeded")

    def await_outcome(self, job_id: str) -> None:
        """Return when the job has an outcome."""

        def has_outcome() -> bool:
            record = self.ledger.read(job_id)
            return record is not None and record.state.terminal

        wait_until(has_outcome, what=f"{job_id} has ended", limit_s=90)

    def await_all_ended(self) -> None:
        """Return when every job is accepted and has an outcome."""
        wait_until(self.all_ended, what="every job has ended", limit_s=90)

    def result_written(self, job_id: str, *, fence: int) -> bool:
        """Whether the complete result of this claim is in the store."""
        key = result_key(job_id, fence, RESULT_DOCUMENT)
        return key in set(self.store.list_keys(result_prefix(job_id)))

    def records(self) -> dict[str, JobRecord]:
        """Return every job in the ledger by id."""
        keys = self.redis.scan_iter("{seewhy}:job:*", count=1000)
        ids = [str(key).removeprefix("{seewhy}:job:") for key in keys]
        read = ((job_id, self.ledger.read(job_id)) for job_id in ids)
        return {job_id: record for job_id, record in read if record is not None}

    def history(self, samples: list[Sample]) -> History:
        """Collect everything that the checker needs."""
        records = self.records()
        return History(
            submissions=self.submissions.read(),
            keys=self.submitter.keys,
            records=records,
            key_of={job_id: self._key_of(job_id) for job_id in records},
            events=self._events() if self.saved_events is None else self.saved_events,
            counts=self.ledger.counts(),
            samples=samples,
            fetch=self.store.get,
            max_attempts=self.settings.max_attempts,
            max_exposed_crashes=self.settings.max_attempts - 1,
            queue_limit=self.settings.queue_limit,
            map_of=expected_maps(),
            expected_failures=self.expected_failures,
        )

    def save_events(self) -> None:
        """Let the checker see the events so far, and no later ones."""
        self.saved_events = self._events()

    def _key_of(self, job_id: str) -> str | None:
        try:
            manifest = json.loads(self.store.get(manifest_key(job_id)))
        except ObjectNotFound:
            return None
        key = manifest["submission"]["key"]
        return None if key is None else str(key["key"])

    def _events(self) -> list[JobEvent]:
        if self.batch_items > BATCH_ITEMS:
            return self.event_log.read()
        events: list[JobEvent] = []
        position = "0-0"
        while page := self.ledger.events(after=position, wait_ms=1):
            events += page
            position = page[-1].position
        return events


@contextmanager
def start_environment(
    directory: Path,
    *,
    seed: int,
    jobs: int,
    load_s: float,
    on_s3: bool = False,
    appendfsync: str = "everysec",
    poisons: Sequence[Poison] = (),
    batch_items: int = BATCH_ITEMS,
    **changes: Any,
) -> Iterator[Environment]:
    """Run Valkey, a store and an API for the length of the block; scenarios start workers.

    `changes` are settings. Enter and exit in one thread: the processes exit with the thread that
    started them.
    """
    rng = random.Random(seed)
    poisoned = dict(zip(rng.sample(range(jobs), len(poisons)), poisons, strict=True))
    with ExitStack() as stack:
        valkey = stack.enter_context(start_valkey(directory / "valkey", appendfsync=appendfsync))
        api_redis = stack.enter_context(start_proxy(valkey.port))
        worker_redis = stack.enter_context(start_proxy(valkey.port))
        location, store_proxy = stack.enter_context(start_store(directory, on_s3=on_s3))
        defaults = {"lease_s": 2.0, "sweep_interval_s": 0.5, "max_batch": 4}
        settings = load(
            {},
            redis_url=valkey.url,
            default_model="efficientnet-lite0",
            **location,
            **(defaults | changes),
        )

        def cluster(name: str, redis: FaultProxy) -> ProcessCluster:
            proxied = _behind_proxies(settings, redis=redis, store=store_proxy)
            (directory / name).mkdir(parents=True)
            return stack.enter_context(start_cluster(proxied, directory / name))

        api = cluster("api", api_redis)
        submissions = SubmissionLog(directory / "submissions.jsonl")
        stack.callback(submissions.close)
        submitter = Submitter(
            api.url,
            images=IMAGES,
            log=submissions,
            seed=seed,
            jobs=jobs,
            load_s=load_s,
            replacements={number: poison_image(poison) for number, poison in poisoned.items()},
        )
        stack.callback(submitter.close)
        api.start_api()
        ledger = open_ledger(settings)
        event_log = EventLog(ledger)
        stack.callback(event_log.stop)
        if batch_items > BATCH_ITEMS:
            event_log.start()
        yield Environment(
            rng=rng,
            resources=stack,
            settings=settings,
            valkey=valkey,
            api_redis_proxy=api_redis,
            worker_redis_proxy=worker_redis,
            store_proxy=store_proxy,
            api=api,
            second_api=cluster("second", api_redis),
            workers=WorkerPool(cluster("workers", worker_redis)),
            event_log=event_log,
            batch_items=batch_items,
            canary=directory / "canary",
            submitter=submitter,
            submissions=submissions,
            ledger=ledger,
            store=open_store(settings),
            redis=stack.enter_context(valkey.client()),
            expected_failures={
                submitter.keys[number]: poison.expected_error
                for number, poison in poisoned.items()
                if poison.expected_error
            },
        )


def _behind_proxies(settings: Settings, *, redis: FaultProxy, store: FaultProxy | None) -> Settings:
    changes: dict[str, Any] = {
        "api_port": free_port(),
        "api_streams_per_client": 256,
        "redis_url": f"redis://127.0.0.1:{redis.port}/0",
    }
    if store is not None:
        changes["s3_endpoint"] = f"http://127.0.0.1:{store.port}"
    return settings.model_copy(update=changes)
