"""The memory of Redis that a job takes, open and ended, with and without compact hashes.

Starts a private Valkey, submits jobs with a fingerprint and an Idempotency-Key, lets them succeed,
and divides what the server's memory has grown by. Prints Markdown.

    PYTHONPATH=tests python benchmarks/record_memory.py
"""

import argparse
import secrets
import tempfile
from pathlib import Path
from typing import Any

from redis import Redis

from seewhy.ids import new_job_id
from seewhy.ledger.redis.client.keys import EVENTS, job_key
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import Completion, IdempotencyKey, LedgerPolicy, Submission, lanes_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import Job
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.storage.keys import image_key, result_key
from servers.valkey import start_valkey

LANES = lanes_of("vgg16")
STEP = 100
RANDOM = secrets.SystemRandom()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=3_000, help="How many jobs. Default: 3,000.")
    jobs = parser.parse_args().jobs
    print("| `hash-max-listpack-value` | an open job | an ended job | its record alone |")
    print("|---|---|---|---|")
    for longest in (64, 4096):
        with (
            tempfile.TemporaryDirectory() as folder,
            start_valkey(Path(folder)) as server,
            server.client() as client,
        ):
            client.config_set("hash-max-listpack-value", longest)
            sizes = " | ".join(f"{size:,.0f} B" for size in measure(client, jobs))
            print(f"| {longest} | {sizes} |")


def measure(client: Redis, jobs: int) -> tuple[float, float, float]:
    """Return the bytes of an open job, of an ended one, and of the record of an ended one."""
    ledger: Any = RedisLedger(client, policy=LedgerPolicy())
    warm_up = submit(ledger)  # loads the scripts
    finish(ledger, 1)
    before = used_bytes(client)
    ids = [submit(ledger) for _ in range(jobs)]
    opened = used_bytes(client)
    finish(ledger, jobs)
    ended = used_bytes(client)
    record = sum(client.memory_usage(job_key(job_id), samples=0) or 0 for job_id in ids)
    assert ledger.read(warm_up).result
    return (opened - before) / jobs, (ended - before) / jobs, record / jobs


def used_bytes(client: Redis) -> int:
    """Return the memory of the server, without the bounded stream of events."""
    client.delete(EVENTS)
    return int(client.info("memory")["used_memory"])


def submit(ledger: Any) -> str:
    """Submit a job as the API does, and return its id."""
    job_id, digest = new_job_id(), secrets.token_hex(32)
    job = Job(
        model="vgg16",
        method="gradcam",
        targets=(-1,),
        outputs=("overlay",),
        image_key=image_key(digest, tenant="default"),
        image_width_px=640,
        image_height_px=427,
    )
    ledger.submit(
        Submission(
            job_id,
            LANES[0],
            job.model_dump_json(),
            key=IdempotencyKey(job_id, digest),
            context=RequestContext(key_id=digest[:16], request_id=job_id),
            fingerprint=digest,
        )
    )
    return job_id


def finish(ledger: Any, jobs: int) -> None:
    """Let jobs succeed, a batch at a time."""
    while jobs > 0:
        claims = ledger.claim(LANES, owner="w", limit=min(jobs, STEP))
        ledger.complete([Completion(claim, result_of(claim.job_id)) for claim in claims])
        jobs -= len(claims)


def result_of(job_id: str) -> str:
    """Return a result as a worker stores it, with an overlay and the five most probable classes."""
    top = tuple(
        ClassScore(
            index=RANDOM.randrange(1000),
            label="Egyptian cat",
            logit=RANDOM.uniform(0, 12),
            probability=RANDOM.random(),
        )
        for _ in range(5)
    )
    target = TargetResult(
        score=top[0], verdict=Verdict.OK, minimum=-RANDOM.random(), maximum=RANDOM.random()
    )
    names = {"map": "map.npy", "overlay": "overlay.jpg", "result": "result.json"}
    steps = ("device_wait", "explain", "prepare", "render", "store")
    result = Result(
        model="vgg16",
        model_digest=secrets.token_hex(32),
        method="gradcam",
        tried=("gradcam",),
        layer="block5_conv3",
        linear=True,
        targets=(target,),
        top=top,
        map_height=14,
        map_width=14,
        covers=Rectangle(x=0, y=0, width=640, height=427),
        image_width_px=640,
        image_height_px=427,
        objects={name: result_key(job_id, 1, file) for name, file in names.items()},
        digests={name: secrets.token_hex(32) for name in ("map", "overlay")},
        timings_ms={step: RANDOM.uniform(0, 50) for step in steps},
        versions={"seewhy": "0.1.0", "keras": "3.12.0", "tensorflow": "2.20.0"},
    )
    return result.model_dump_json()


if __name__ == "__main__":
    main()
