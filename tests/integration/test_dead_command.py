"""`seewhy dead` with a real ledger and a local object store."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ledger_harness import read_job
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.cli.app import app
from seewhy.errors import UnknownExplanation
from seewhy.ids import new_job_id
from seewhy.imaging import codecs
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.submission import JobSubmitter, UploadedImage
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import IdempotencyKey, JobFailure, Submission
from seewhy.schemas.job import Job, JobState
from seewhy.settings import Settings, load
from seewhy.storage.keys import image_key, manifest_key
from seewhy.storage.obstore_adapter import open_store
from servers.valkey import RedisServer

LANE = "efficientnet-lite0:batch"

IMAGE = codecs.encode_jpeg(np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def settings(valkey: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with valkey.client() as client:
        client.flushall()
    given = {
        "SEEWHY_REDIS_URL": valkey.url,
        "SEEWHY_STORE_URL": f"file://{tmp_path}/objects",
        "SEEWHY_DEFAULT_MODEL": "efficientnet-lite0",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return load(given)


def fail_one(settings: Settings) -> str:
    ledger, store = open_ledger(settings), open_store(settings)
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=[LANE]))
    key = image_key("0" * 64, tenant="default")
    job = Job(
        model="efficientnet-lite0",
        method="gradcam",
        targets=(0,),
        outputs=(),
        image_key=key,
        image_width_px=1,
        image_height_px=1,
    )
    submission = Submission(
        job_id=new_job_id(),
        lane=LANE,
        job=job.model_dump_json(),
        key=IdempotencyKey(f"key of {new_job_id()}", "digest"),
    )
    manifest = Manifest(submission=submission)
    submitter = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)
    submitter.submit(manifest, UploadedImage(key, IMAGE, "image/jpeg"))
    [claim] = ledger.claim([LANE], owner="w", limit=1)
    ledger.fail([JobFailure(claim, "explainer_failed", "it was too much")])
    return manifest.job_id


def dead(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dead", *arguments], env={"COLUMNS": "200"})


def test_a_failed_job_is_listed_and_its_record_shown(settings: Settings) -> None:
    job_id = fail_one(settings)
    [_, line] = dead("list").output.splitlines()
    assert line.split()[0] == job_id
    assert "explainer_failed: it was too much" in line
    record = json.loads(dead("show", job_id).output)
    assert (record["state"], record["job"]["model"]) == ("failed", "efficientnet-lite0")


def test_a_retry_is_a_new_job_that_names_the_failed_one(settings: Settings) -> None:
    job_id = fail_one(settings)
    shown = dead("retry", job_id)
    assert shown.exit_code == 0
    new_id = shown.output.split()[-1]
    ledger, store = open_ledger(settings), open_store(settings)
    manifest = Manifest.model_validate_json(store.get(manifest_key(new_id)))
    assert manifest.retry_of == job_id
    assert (manifest.submission.key, manifest.submission.lane) == (None, LANE)
    assert read_job(ledger, new_id).state is JobState.QUEUED
    assert read_job(ledger, new_id).job == read_job(ledger, job_id).job
    assert read_job(ledger, job_id).state is JobState.FAILED, "terminal states never change"
    assert ledger.list_dead_letters() == []
    assert isinstance(dead("retry", new_id).exception, SystemExit)


def test_all_jobs_are_retried_and_those_that_cannot_be_are_named(settings: Settings) -> None:
    job_ids = [fail_one(settings) for _ in range(3)]
    open_store(settings).delete(manifest_key(job_ids[1]))  # its retention has ended
    shown = dead("retry", "--all")
    assert shown.exit_code == 1
    assert job_ids[1] in shown.output
    assert f"{job_ids[1]}: retried" not in shown.output
    assert [record.job_id for record in open_ledger(settings).list_dead_letters()] == [job_ids[1]]


def test_purge_removes_jobs_that_failed_long_enough_ago(settings: Settings) -> None:
    fail_one(settings)
    assert dead("purge", "--older-than", "1").output == "0 removed\n"
    assert dead("purge", "--all").output == "1 removed\n"
    assert open_ledger(settings).list_dead_letters() == []


@pytest.mark.parametrize("arguments", [["retry"], ["retry", "x", "--all"], ["purge"]])
def test_ids_or_all_must_be_given_but_not_both(settings: Settings, arguments: list[str]) -> None:
    assert dead(*arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [["list"], ["show", "x"], ["retry", "x"], ["purge", "--all"]])
def test_a_data_folder_that_does_not_exist_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    shown = dead(*arguments, "--data", str(tmp_path / "none"))
    assert shown.exit_code == 2
    assert "is not a folder" in " ".join(shown.output.split())


def test_an_unknown_job_is_an_error(settings: Settings) -> None:
    assert isinstance(dead("show", new_job_id()).exception, UnknownExplanation)
    assert dead("retry", new_job_id()).exit_code == 1
