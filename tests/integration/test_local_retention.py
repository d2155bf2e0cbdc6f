"""Retention of a local directory store: expired files go, and no job loses a file it needs."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_installation import IMAGE as PNG
from batch_installation import Installation
from seewhy.errors import LedgerUnavailable, ObjectNotFound
from seewhy.ids import new_job_id
from seewhy.jobs.batch_documents import ITEMS_PER_CHUNK, BatchDocuments
from seewhy.jobs.image_keys import image_keys_of
from seewhy.jobs.image_sources import KnownImage, RemoteImage, SentImage
from seewhy.jobs.manifest import Manifest
from seewhy.schemas.job import Job
from seewhy.settings import load
from seewhy.storage import retention
from seewhy.storage.agreement_keys import AgreementKey, ProjectKey
from seewhy.storage.keys import (
    chunk_key,
    event_key,
    image_key,
    label_studio_project_key,
    manifest_key,
    outcome_key,
    parse_job_key,
    push_settings_key,
    result_key,
)
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from seewhy.storage.provision import expiry_days
from seewhy.storage.retention import LocalRetention, open_retention
from seewhy_api.background.retention import RetentionTask
from servers.waiting import wait_until

HOUR_S = 3600
DAY_S = 24 * HOUR_S
JPEG = "image/jpeg"
IMAGE = image_key("a" * 64, tenant="default")
FOLDERS = tuple(expiry_days(load({})))


def open_local_retention(root: Path, job_exists: Callable[[str], bool]) -> LocalRetention:
    return LocalRetention(
        root=root,
        retention_s=DAY_S,
        job_exists=job_exists,
        image_keys_of=lambda body: [body.decode()],
    )


class AgedStore:
    """A directory store with files of any age, and a ledger with some jobs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: ObjectStore = open_store(load({}, store_url=f"file://{root}"))
        self.job_ids: set[str] = set()
        self.retention = open_local_retention(root, self.job_ids.__contains__)

    def put(self, key: str, *, age_s: float, body: bytes = b"1") -> str:
        self.store.put(key, body, content_type=JPEG)
        written_s = time.time() - age_s
        os.utime(self.root / key, (written_s, written_s))
        return key

    def put_manifest(self, job_id: str, *, age_s: float, image: str = IMAGE) -> str:
        """Write a manifest that holds nothing but the key of its image."""
        return self.put(manifest_key(job_id), age_s=age_s, body=image.encode())

    def expire(self) -> int:
        return sum(self.retention.steps())

    def keys(self) -> set[str]:
        return {
            key for name in (*FOLDERS, "label-studio") for key in self.store.list_keys(f"{name}/")
        }


@pytest.fixture
def aged(tmp_path: Path) -> AgedStore:
    return AgedStore(tmp_path / "objects")


def test_expired_files_and_their_empty_folders_are_removed(aged: AgedStore) -> None:
    old, recent = new_job_id(), new_job_id()
    expired = [
        aged.put(image_key("b" * 64, tenant="default"), age_s=DAY_S + 3 * HOUR_S),
        aged.put_manifest(old, age_s=DAY_S + 2 * HOUR_S),
        aged.put(result_key(old, 1, "map.npy"), age_s=DAY_S + 2 * HOUR_S),
        aged.put(result_key(old, 1, "result.json"), age_s=DAY_S + 2 * HOUR_S),
    ]
    kept = {
        aged.put(IMAGE, age_s=DAY_S),
        aged.put_manifest(recent, age_s=DAY_S),
        aged.put(result_key(recent, 1, "map.npy"), age_s=DAY_S),
    }
    assert aged.expire() == len(expired)
    assert aged.keys() == kept
    assert {path.name for path in (aged.root / "results").iterdir()} == {recent}
    assert aged.expire() == 0


def test_settings_of_pushes_expire_after_twice_the_retention_and_options_of_projects_never(
    aged: AgedStore,
) -> None:
    used, unused = ("a" * 64, "b" * 64)
    kept = {
        aged.put(push_settings_key(used, tenant="t"), age_s=2 * DAY_S),
        aged.put(label_studio_project_key("1", tenant="t"), age_s=30 * DAY_S),
    }
    aged.put(push_settings_key(unused, tenant="t"), age_s=2 * DAY_S + 2 * HOUR_S)
    assert aged.expire() == 1
    assert aged.keys() == kept


def test_agreements_expire_as_results_and_events_after_twice_the_retention(
    aged: AgedStore,
) -> None:
    agreement = AgreementKey(task=1, annotation=2, updated_ms=3, energy=0.5, job_id=new_job_id())
    folder = ProjectKey(4, created_s=1).folder(tenant="t")
    kept = {
        aged.put(f"{folder}{agreement.name}", age_s=DAY_S),
        aged.put(event_key(b"new", received_ms=1, tenant="t"), age_s=2 * DAY_S),
    }
    aged.put(f"{folder}deleted/2", age_s=DAY_S + 2 * HOUR_S)
    aged.put(event_key(b"old", received_ms=1, tenant="t"), age_s=2 * DAY_S + 2 * HOUR_S)
    assert aged.expire() == 2
    assert aged.keys() == kept


def test_a_waiting_job_keeps_its_image_at_any_age(aged: AgedStore) -> None:
    waiting = new_job_id()
    aged.job_ids.add(waiting)
    kept = {
        aged.put(IMAGE, age_s=30 * DAY_S),
        aged.put_manifest(waiting, age_s=30 * DAY_S),
    }
    aged.put(image_key("b" * 64, tenant="default"), age_s=30 * DAY_S)
    assert aged.expire() == 1
    assert aged.keys() == kept

    aged.job_ids.clear()
    assert aged.expire() == 1, "the manifest; the image was renewed a moment ago"
    aged.put(IMAGE, age_s=30 * DAY_S)
    assert aged.expire() == 1
    assert aged.keys() == set()


def test_an_outcome_is_kept_while_the_ledger_has_its_job(aged: AgedStore) -> None:
    job_id = new_job_id()
    aged.job_ids.add(job_id)
    key = aged.put(outcome_key(job_id), age_s=30 * DAY_S, body=b"{}")
    assert aged.expire() == 0
    assert aged.keys() == {key}

    aged.job_ids.clear()
    assert aged.expire() == 1


def test_a_batch_keeps_its_objects_and_its_images_until_its_record_expires(
    tmp_path: Path,
) -> None:
    """On what the service really stores of a batch, with the parser of the API."""
    installation = Installation()
    batch_id = installation.submit(ITEMS_PER_CHUNK + 1)
    documents = BatchDocuments(installation.store)
    documents.write_cancellation(batch_id)
    installation.store.put(outcome_key(batch_id), b"{}", content_type="application/json")
    aged = AgedStore(tmp_path / "objects")
    aged.retention = LocalRetention(
        root=aged.root,
        retention_s=DAY_S,
        job_exists=aged.job_ids.__contains__,
        image_keys_of=image_keys_of,
    )
    stored = [*installation.store.list_keys("jobs/"), *installation.store.list_keys("images/")]
    for key in stored:
        aged.put(key, age_s=30 * DAY_S, body=installation.store.get(key))
    kinds = [parsed.kind for key in stored if (parsed := parse_job_key(key))]
    assert sorted(kinds) == ["batch", "cancellation", "chunk", "chunk", "outcome"]
    assert len(stored) == 6, "and one image"

    aged.job_ids.add(batch_id)
    assert aged.expire() == 0
    assert aged.keys() == set(stored)
    aged.job_ids.clear()
    assert aged.expire() == 5, "the image was renewed a moment ago"
    for key in sorted(aged.keys()):
        aged.put(key, age_s=30 * DAY_S)
    assert aged.expire() == 1
    assert aged.keys() == set()


def test_a_chunk_with_named_and_refused_items_keeps_the_images_of_its_jobs() -> None:
    installation = Installation()
    sources = [SentImage(PNG), KnownImage("0" * 64), RemoteImage("https://forbidden.test/1")]
    batch_id = installation.submit(3, source=sources.__getitem__)
    chunk = installation.store.get(chunk_key(batch_id, 0))
    (image,) = installation.store.list_keys("images/")
    assert image_keys_of(chunk) == [image]


def test_an_unreadable_manifest_is_kept_and_reported(
    aged: AgedStore, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = new_job_id()
    aged.job_ids.add(job_id)
    key = aged.put(manifest_key(job_id), age_s=30 * DAY_S, body=b"\xff")
    assert aged.expire() == 0
    assert aged.keys() == {key}
    assert "its images may expire early" in caplog.text


def test_re_uploading_an_image_renews_its_retention(aged: AgedStore) -> None:
    aged.put(IMAGE, age_s=30 * DAY_S)
    aged.store.put(IMAGE, b"1", content_type=JPEG)
    assert aged.expire() == 0
    assert aged.store.get(IMAGE) == b"1"


def test_an_image_rewritten_during_its_removal_survives(
    aged: AgedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged.put(IMAGE, age_s=30 * DAY_S)
    rename = Path.rename

    def rename_late(path: Path, target: Path) -> Path:
        aged.store.put(IMAGE, b"again", content_type=JPEG)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    assert aged.expire() == 0
    assert aged.store.get(IMAGE) == b"again"
    assert [path.name for path in (aged.root / IMAGE).parent.iterdir()] == ["a" * 64]


def test_leftovers_of_a_crash_are_removed_later(aged: AgedStore) -> None:
    aged.put(IMAGE, age_s=30 * DAY_S)
    (aged.root / IMAGE).rename(aged.root / f"{IMAGE}#1234")
    assert aged.expire() == 1
    assert not any((aged.root / "images").iterdir())


def test_symbolic_links_are_neither_followed_nor_removed(aged: AgedStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("1")
    os.utime(outside / "precious", (0, 0))
    (aged.root / "images").mkdir()
    (aged.root / "images" / "folder").symlink_to(outside)
    (aged.root / "images" / "file").symlink_to(outside / "precious")
    (aged.root / "results").symlink_to(outside)
    (aged.root / "precious").write_text("1")
    os.utime(aged.root / "precious", (0, 0))
    assert aged.expire() == 0
    assert (outside / "precious").exists()
    assert (aged.root / "precious").exists()
    assert (aged.root / "images" / "file").is_symlink()


def test_no_image_is_removed_while_the_ledger_is_unavailable(aged: AgedStore) -> None:
    def unavailable(_: str) -> bool:
        raise LedgerUnavailable("Redis does not respond.")

    kept = {
        aged.put(IMAGE, age_s=30 * DAY_S),
        aged.put_manifest(new_job_id(), age_s=30 * DAY_S),
    }
    aged.retention = open_local_retention(aged.root, unavailable)
    with pytest.raises(LedgerUnavailable):
        aged.expire()
    assert aged.keys() == kept


def test_a_long_pass_runs_in_small_steps(aged: AgedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FILES_PER_STEP", 3)
    for number in range(7):
        aged.put(image_key(f"{number:064x}", tenant="default"), age_s=30 * DAY_S)
    assert list(aged.retention.steps()) == [3, 3, 1]


def test_a_bucket_has_no_local_retention() -> None:
    settings = load({})
    assert (
        open_retention(
            settings, job_exists=lambda _: True, image_keys_of=lambda body: [body.decode()]
        )
        is None
    )


def test_the_api_finds_the_images_of_a_manifest() -> None:
    manifest = Path(__file__).parents[1] / "unit" / "formats" / "manifest.json"
    submission = Manifest.model_validate_json(manifest.read_bytes()).submission
    job = Job.model_validate_json(submission.job)
    assert job.reference is not None
    assert image_keys_of(manifest.read_bytes()) == [job.image_key, job.reference.key]


def test_the_retention_task_survives_an_unavailable_ledger(aged: AgedStore) -> None:
    errors = iter([LedgerUnavailable("Redis does not respond.")])

    def job_exists(_: str) -> bool:
        if error := next(errors, None):
            raise error
        return False

    aged.put_manifest(new_job_id(), age_s=30 * DAY_S)
    aged.put(IMAGE, age_s=30 * DAY_S)
    task = RetentionTask(
        retention=open_local_retention(aged.root, job_exists),
        interval_s=0.01,
        step_pause_s=0,
    )
    task.start()
    wait_until(lambda: not aged.keys(), what="all files are removed", limit_s=10)
    task.stop()
    with pytest.raises(ObjectNotFound):
        aged.store.get(IMAGE)
