"""The client that the judge believes: same key until promised, and on disk before anything else."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.submitter import Promise, PromiseLog, Submitter
from servers.scripted import Response as Answer
from servers.scripted import scripted

ACCEPTED = Answer(202, {"id": "a job"})


def submit(url: str, log: PromiseLog) -> Submitter:
    submitter = Submitter(
        url, pictures=[b"a picture"], log=log, seed=1, jobs=1, over_s=0.01, threads=1
    )
    try:
        submitter.run()
    finally:
        submitter.close()
    return submitter


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PromiseLog]:
    opened = PromiseLog(tmp_path / "promises.jsonl")
    yield opened
    opened.close()


def test_it_asks_again_by_the_same_key_until_it_is_promised(log: PromiseLog) -> None:
    busy = Answer(503, {}, headers={"Retry-After": "1"})
    taken = Answer(409, {}, headers={"Retry-After": "1"})
    answers = [busy, Answer(hang_up=True), taken, ACCEPTED]
    with scripted(*answers) as server:
        submitter = submit(server.url, log)
        keys = {request.headers["idempotency-key"] for request in server.requests}
        assert (len(server.requests), keys) == (4, {"job-1-0"})
    assert submitter.statuses == {503: 1, 0: 1, 409: 1, 202: 1}
    assert submitter.hasty == 0
    digest = hashlib.sha256(b"a picture").hexdigest()
    assert log.read() == [Promise("a job", "job-1-0", digest)]


def test_a_refusal_that_does_not_say_when_to_come_back_is_counted(log: PromiseLog) -> None:
    with scripted(Answer(503, {}), ACCEPTED) as server:
        assert submit(server.url, log).hasty == 1


def test_a_promise_is_on_disk_as_soon_as_it_counts(log: PromiseLog, tmp_path: Path) -> None:
    assert len(log) == 0
    log.append(Promise("a job", "a key", "a picture"))
    assert len(log) == 1
    assert b"a job" in (tmp_path / "promises.jsonl").read_bytes()
