"""A whole service of real processes behind fault proxies, made anew for every scenario and seed."""

import hashlib
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
from faults.fleet import Fleet
from faults.sampler import Sample
from faults.submitter import PromiseLog, Submitter
from images import encoded, gradient
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import ObjectNotFound
from seewhy.imaging import codecs, maps
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import JobEvent, JobRecord
from seewhy.schemas.job import JobState
from seewhy.settings import Settings, load
from seewhy.storage.keys import RESULT_DOCUMENT, manifest_key, result_key, result_prefix
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from seewhy_worker.stub import StubExplainer
from servers import s3
from servers.house import House, Process, house, kill
from servers.poison import Poison
from servers.poison import picture as poisoned
from servers.proxy import FaultProxy, proxied
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

PICTURES = tuple(encoded(gradient(40 + n, 24 + 2 * n), "PNG") for n in range(16))

_FORGET = """
if redis.call('ZCARD', 'seewhy:unfiled') > 0 then return 0 end
redis.call('FLUSHALL')
return 1
"""


@dataclass(kw_only=True)
class World:
    """What a scenario may break, and what it sees without passing through anything broken."""

    chance: random.Random
    settings: Settings
    """The way to every server that no fault can touch."""
    valkey: RedisServer
    redis_of_api: FaultProxy
    redis_of_workers: FaultProxy
    store_port: FaultProxy | None
    api: House
    second: House
    """The same API once more, on a port of its own; not running."""
    fleet: Fleet
    trap: Path
    """A file that must not come to be."""
    submitter: Submitter
    log: PromiseLog
    ledger: RedisLedger
    store: ObjectStore
    client: "Redis"
    doomed: Mapping[str, str]
    """Idempotency-Key → what its job has to fail with."""
    struck_ms: list[int] = field(default_factory=list)

    def struck(self) -> None:
        """Note that the blow has fallen and does not go on: recovery is timed from here."""
        self.struck_ms.append(round(time.time() * 1000))

    def kill(self, process: Process) -> None:
        """SIGKILL, to those that work for it, too."""
        kill(process)

    @property
    def submission(self) -> bytes:
        """What a submission to the ledger can be told by, on the wire."""
        return self.ledger.scripts.script("submit").sha.encode()

    def kill_api(self) -> None:
        """SIGKILL to the API, the process that serves and the one that looks after it."""
        kill(self.api.children[-1])

    def forget_everything(self) -> None:
        """Empty Redis, when nothing is at stake that may be lost then (docs/ledger.md).

        That is: an outcome not filed yet, and a request that may have been accepted unheard.
        """
        wait_until(
            lambda: not self.submitter.unsure and bool(self.client.eval(_FORGET, 0)),
            what="a moment to lose everything",
        )

    def pause(self, shortest_s: float, longest_s: float) -> None:
        """Let the load go on for a length of time that the seed chooses."""
        time.sleep(self.chance.uniform(shortest_s, longest_s))

    def succeeded(self) -> int:
        """How many jobs have."""
        return self.ledger.counts().terminal.get(JobState.SUCCEEDED, 0)

    def await_progress(self, jobs: int) -> None:
        """Return when so many more jobs have succeeded, or all that there will be."""
        wanted = min(self.succeeded() + jobs, len(self.submitter.keys))
        wait_until(lambda: self.succeeded() >= wanted, what=f"{wanted} jobs have succeeded")

    def await_running(self) -> None:
        """Return when a worker holds a job."""
        wait_until(lambda: bool(self.running()), what="a job is running")

    def failed(self) -> set[str]:
        """The keys of the jobs that have."""
        ids = {r.job_id for r in self.records().values() if r.state is JobState.FAILED}
        return {promise.key for promise in self.log.read() if promise.job_id in ids}

    def ended(self) -> bool:
        """Whether everything has been promised and has ended."""
        return self.all_promised() and self.ledger.counts().non_terminal == 0

    def await_end(self, job_id: str) -> None:
        """Return when a job has its outcome."""

        def ended() -> bool:
            record = self.ledger.read(job_id)
            return record is not None and record.state.terminal

        wait_until(ended, what=f"{job_id} has ended", limit_s=90)

    def await_all(self) -> None:
        """Return when everything has been promised and has ended."""
        wait_until(self.ended, what="every job has ended", limit_s=90)

    def all_promised(self) -> bool:
        """Whether the submitter is done."""
        return len(self.log) == len(self.submitter.keys)

    def wrote(self, job_id: str, *, fence: int) -> bool:
        """Whether a worker has put a whole result of this claim into the store."""
        key = result_key(job_id, fence, RESULT_DOCUMENT)
        return key in set(self.store.list_keys(result_prefix(job_id)))

    def running(self) -> list[str]:
        """The jobs that a worker holds."""
        return [r.job_id for r in self.records().values() if r.state is JobState.RUNNING]

    def await_promises(self, jobs: int) -> None:
        """Return when so many jobs have been promised in all."""
        wait_until(lambda: len(self.log) >= jobs, what=f"{jobs} jobs are promised", limit_s=90)

    def records(self) -> dict[str, JobRecord]:
        """Every job in the ledger."""
        ids = [str(key).removeprefix("seewhy:job:") for key in self._scan("seewhy:job:*")]
        read = ((job_id, self.ledger.read(job_id)) for job_id in ids)
        return {job_id: record for job_id, record in read if record is not None}

    def history(self, samples: list[Sample]) -> History:
        """Collect all that is known."""
        records = self.records()
        return History(
            promises=self.log.read(),
            keys=self.submitter.keys,
            records=records,
            key_of={job_id: self._key_of(job_id) for job_id in records},
            events=self._events(),
            counts=self.ledger.counts(),
            samples=samples,
            fetch=self.store.get,
            max_attempts=self.settings.max_attempts,
            queue_limit=self.settings.queue_limit,
            map_of=_expected_maps(),
            doomed=self.doomed,
        )

    def _scan(self, pattern: str) -> list[Any]:
        return list(self.client.scan_iter(pattern, count=1000))

    def _key_of(self, job_id: str) -> str | None:
        try:
            manifest = json.loads(self.store.get(manifest_key(job_id)))
        except ObjectNotFound:
            return None
        key = manifest["idempotency_key"]
        return None if key is None else str(key)

    def _events(self) -> list[JobEvent]:
        told: list[JobEvent] = []
        position = "0-0"
        while page := self.ledger.events(after=position, wait_ms=1):
            told += page
            position = page[-1].position
        return told


@contextmanager
def world(
    directory: Path,
    *,
    seed: int,
    jobs: int,
    over_s: float,
    on_s3: bool = False,
    appendfsync: str = "everysec",
    poisons: Sequence[Poison] = (),
    **changes: Any,
) -> Iterator[World]:
    """Run Valkey, a store and an API for the length of the block; workers are the scenario's.

    Start and leave it in one thread: its processes end with the thread that started them.
    """
    chance = random.Random(seed)
    guilty = dict(zip(chance.sample(range(jobs), len(poisons)), poisons, strict=True))
    with ExitStack() as stack:
        valkey = stack.enter_context(start_valkey(directory / "valkey", appendfsync=appendfsync))
        of_api = stack.enter_context(proxied(valkey.port))
        of_workers = stack.enter_context(proxied(valkey.port))
        place, store_port = _store(stack, directory, on_s3=on_s3)
        numbers = {"lease_s": 2.0, "sweep_interval_s": 0.5, "max_batch": 4} | changes
        settings = load(
            {}, redis_url=valkey.url, default_model="efficientnet-lite0", **place, **numbers
        )
        api = _house(stack, directory / "api", settings, redis=of_api, store=store_port)
        second = _house(stack, directory / "second", settings, redis=of_api, store=store_port)
        workers = _house(stack, directory / "workers", settings, redis=of_workers, store=store_port)
        log = PromiseLog(directory / "promises.jsonl")
        stack.callback(log.close)
        submitter = Submitter(
            api.url,
            pictures=PICTURES,
            log=log,
            seed=seed,
            jobs=jobs,
            over_s=over_s,
            instead={number: poisoned(poison) for number, poison in guilty.items()},
        )
        stack.callback(submitter.close)
        api.start_api()
        yield World(
            chance=chance,
            settings=settings,
            valkey=valkey,
            redis_of_api=of_api,
            redis_of_workers=of_workers,
            store_port=store_port,
            api=api,
            second=second,
            fleet=Fleet(workers),
            trap=directory / "trap",
            submitter=submitter,
            log=log,
            ledger=open_ledger(settings),
            store=open_store(settings),
            client=stack.enter_context(valkey.client()),
            doomed={
                submitter.keys[number]: poison.doom
                for number, poison in guilty.items()
                if poison.doom
            },
        )


def _store(
    stack: ExitStack, directory: Path, *, on_s3: bool
) -> tuple[Mapping[str, str], FaultProxy | None]:
    if not on_s3:
        return {"store_url": f"file://{directory}/objects"}, None
    server = stack.enter_context(s3.running())
    port = int(server.endpoint.rpartition(":")[2])
    return server.settings(server.new_bucket()), stack.enter_context(proxied(port))


def _house(
    stack: ExitStack,
    directory: Path,
    settings: Settings,
    *,
    redis: FaultProxy,
    store: FaultProxy | None,
) -> House:
    directory.mkdir(parents=True)
    changes: dict[str, Any] = {
        "api_port": free_port(),
        "redis_url": f"redis://127.0.0.1:{redis.port}/0",
    }
    if store is not None:
        changes["s3_endpoint"] = f"http://127.0.0.1:{store.port}"
    return stack.enter_context(house(settings.model_copy(update=changes), directory))


def _expected_maps() -> dict[str, str]:
    stub = StubExplainer()
    wanted = {}
    for body in PICTURES:
        prepared = stub.prepare(codecs.decode(body, max_pixels=1_000_000))
        (explained,) = stub.explain([prepared], [(-1,)])
        digest = hashlib.sha256(maps.encode_npy(explained.maps)).hexdigest()
        wanted[hashlib.sha256(body).hexdigest()] = digest
    return wanted
