"""A local directory forgets what is past its retention, and nothing that a job needs."""

import json
import os
import time
from pathlib import Path

import pytest

from seewhy.errors import LedgerUnavailable, ObjectNotFound
from seewhy.ids import new_job_id
from seewhy.schemas.job import Job
from seewhy.settings import load
from seewhy.storage import retention as expiring
from seewhy.storage.keys import image_key, manifest_key, result_key
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.port import ObjectStore
from seewhy.storage.retention import LocalRetention, open_retention
from seewhy_api.background.retention import RetentionTask
from servers.waiting import wait_until

HOUR_S = 3600
DAY_S = 24 * HOUR_S
JPEG = "image/jpeg"
PICTURE = image_key("a" * 64)


class Shelf:
    """A directory store whose files are as old as one says, and a ledger that knows some jobs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: ObjectStore = open_store(load({}, store_url=f"file://{root}"))
        self.known: set[str] = set()
        self.expiry = LocalRetention(root=root, retention_s=DAY_S, known=self.known.__contains__)

    def put(self, key: str, *, age_s: float, body: bytes = b"1") -> str:
        self.store.put(key, body, content_type=JPEG)
        then = time.time() - age_s
        os.utime(self.root / key, (then, then))
        return key

    def put_manifest(self, job_id: str, *, age_s: float, picture: str = PICTURE) -> str:
        job = Job(
            model="m", method="gradcam", targets=(-1,), outputs=(), image_key=picture,
            image_width_px=1, image_height_px=1,
        )  # fmt: skip
        body = json.dumps({"job_id": job_id, "job": job.model_dump_json()}).encode()
        return self.put(manifest_key(job_id), age_s=age_s, body=body)

    def expire(self) -> int:
        return sum(self.expiry.steps())

    def keys(self) -> set[str]:
        return {
            key for name in ("images", "jobs", "results") for key in self.store.keys(f"{name}/")
        }


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "objects")


def test_what_is_past_its_retention_goes_with_its_folders_and_the_rest_stays(shelf: Shelf) -> None:
    old, young = new_job_id(), new_job_id()
    gone = [
        shelf.put(image_key("b" * 64), age_s=DAY_S + 3 * HOUR_S),
        shelf.put_manifest(old, age_s=DAY_S + 2 * HOUR_S),
        shelf.put(result_key(old, 1, "map.npy"), age_s=DAY_S + 2 * HOUR_S),
        shelf.put(result_key(old, 1, "result.json"), age_s=DAY_S + 2 * HOUR_S),
    ]
    kept = {
        shelf.put(PICTURE, age_s=DAY_S),
        shelf.put_manifest(young, age_s=DAY_S),
        shelf.put(result_key(young, 1, "map.npy"), age_s=DAY_S),
    }
    assert shelf.expire() == len(gone)
    assert shelf.keys() == kept
    assert {path.name for path in (shelf.root / "results").iterdir()} == {young}
    assert shelf.expire() == 0


def test_a_job_that_still_waits_keeps_its_picture_however_old(shelf: Shelf) -> None:
    waiting = new_job_id()
    shelf.known.add(waiting)
    kept = {
        shelf.put(PICTURE, age_s=30 * DAY_S),
        shelf.put_manifest(waiting, age_s=30 * DAY_S),
    }
    shelf.put(image_key("b" * 64), age_s=30 * DAY_S)
    assert shelf.expire() == 1
    assert shelf.keys() == kept

    shelf.known.clear()
    assert shelf.expire() == 1, "the manifest; the picture was in use a moment ago"
    shelf.put(PICTURE, age_s=30 * DAY_S)
    assert shelf.expire() == 1
    assert shelf.keys() == set()


def test_a_picture_that_is_accepted_again_is_young_again(shelf: Shelf) -> None:
    shelf.put(PICTURE, age_s=30 * DAY_S)
    shelf.store.put(PICTURE, b"1", content_type=JPEG)
    assert shelf.expire() == 0
    assert shelf.store.get(PICTURE) == b"1"


def test_a_picture_written_again_while_it_is_being_removed_survives(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put(PICTURE, age_s=30 * DAY_S)
    rename = Path.rename

    def rename_late(path: Path, target: Path) -> Path:
        shelf.store.put(PICTURE, b"again", content_type=JPEG)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    assert shelf.expire() == 0
    assert shelf.store.get(PICTURE) == b"again"
    assert [path.name for path in (shelf.root / "images").iterdir()] == ["a" * 64]


def test_what_a_crash_left_aside_is_removed_later(shelf: Shelf) -> None:
    shelf.put(PICTURE, age_s=30 * DAY_S)
    (shelf.root / PICTURE).rename(shelf.root / f"{PICTURE}#1234")
    assert shelf.expire() == 1
    assert not any((shelf.root / "images").iterdir())


def test_links_are_neither_followed_nor_removed(shelf: Shelf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("1")
    os.utime(outside / "precious", (0, 0))
    (shelf.root / "images").mkdir()
    (shelf.root / "images" / "folder").symlink_to(outside)
    (shelf.root / "images" / "file").symlink_to(outside / "precious")
    (shelf.root / "results").symlink_to(outside)
    (shelf.root / "precious").write_text("1")
    os.utime(shelf.root / "precious", (0, 0))
    assert shelf.expire() == 0
    assert (outside / "precious").exists()
    assert (shelf.root / "precious").exists()
    assert (shelf.root / "images" / "file").is_symlink()


def test_a_ledger_that_is_away_costs_no_picture(shelf: Shelf) -> None:
    def away(_: str) -> bool:
        raise LedgerUnavailable("Redis does not answer")

    kept = {
        shelf.put(PICTURE, age_s=30 * DAY_S),
        shelf.put_manifest(new_job_id(), age_s=30 * DAY_S),
    }
    shelf.expiry = LocalRetention(root=shelf.root, retention_s=DAY_S, known=away)
    with pytest.raises(LedgerUnavailable):
        shelf.expire()
    assert shelf.keys() == kept


def test_a_long_pass_is_made_in_small_steps(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "STEP", 3)
    for number in range(7):
        shelf.put(image_key(f"{number:064x}"), age_s=30 * DAY_S)
    assert list(shelf.expiry.steps()) == [3, 3, 1]


def test_a_bucket_is_left_to_its_own_rules() -> None:
    assert open_retention(load({}), known=lambda _: True) is None


def test_the_api_forgets_by_itself_and_outlives_a_ledger_that_is_away(shelf: Shelf) -> None:
    answers = iter([LedgerUnavailable("Redis does not answer")])

    def known(_: str) -> bool:
        if error := next(answers, None):
            raise error
        return False

    shelf.put_manifest(new_job_id(), age_s=30 * DAY_S)
    shelf.put(PICTURE, age_s=30 * DAY_S)
    expiry = LocalRetention(root=shelf.root, retention_s=DAY_S, known=known)
    forgetter = RetentionTask(expiry=expiry, interval_s=0.01, pause_s=0)
    forgetter.start()
    wait_until(lambda: not shelf.keys(), what="everything has been forgotten", limit_s=10)
    forgetter.stop()
    with pytest.raises(ObjectNotFound):
        shelf.store.get(PICTURE)
