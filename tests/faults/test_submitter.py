"""The submitter: one key per job until it is accepted, and a durable log."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.submitter import Submission, SubmissionLog, Submitter
from servers.scripted import Response, scripted

ACCEPTED = Response(202, {"id": "a job"})


def submit(url: str, log: SubmissionLog) -> Submitter:
    submitter = Submitter(
        url, images=[b"an image"], log=log, seed=1, jobs=1, load_s=0.01, threads=1
    )
    try:
        submitter.run()
    finally:
        submitter.close()
    return submitter


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SubmissionLog]:
    opened = SubmissionLog(tmp_path / "submissions.jsonl")
    yield opened
    opened.close()


def test_it_retries_under_the_same_key_until_the_job_is_accepted(log: SubmissionLog) -> None:
    busy = Response(503, {}, headers={"Retry-After": "1"})
    in_progress = Response(409, {}, headers={"Retry-After": "1"})
    responses = [busy, Response(hang_up=True), in_progress, ACCEPTED]
    with scripted(*responses) as server:
        submitter = submit(server.url, log)
        keys = {request.headers["idempotency-key"] for request in server.requests}
        assert (len(server.requests), keys) == (4, {"job-1-0"})
    assert submitter.statuses == {503: 1, 0: 1, 409: 1, 202: 1}
    assert submitter.missing_retry_after == 0
    digest = hashlib.sha256(b"an image").hexdigest()
    assert log.read() == [Submission("a job", "job-1-0", digest)]


def test_a_refusal_without_retry_after_is_counted(log: SubmissionLog) -> None:
    with scripted(Response(503, {}), ACCEPTED) as server:
        assert submit(server.url, log).missing_retry_after == 1


def test_a_submission_is_on_disk_when_it_counts(log: SubmissionLog, tmp_path: Path) -> None:
    assert len(log) == 0
    log.append(Submission("a job", "a key", "an image"))
    assert len(log) == 1
    assert b"a job" in (tmp_path / "submissions.jsonl").read_bytes()
