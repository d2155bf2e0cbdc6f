"""The journal of `explain_many`, and the bodies of its batches."""

import json
from pathlib import Path
from typing import Any

import pytest

from seewhy.client import JournalUnusable
from seewhy.client.connection import Connection
from seewhy.client.image_chunks import ImageChunks
from seewhy.client.journal import Journal, SentBatch

REQUEST: dict[str, Any] = {"targets": [1]}
HEADER = b'{"journal": 1, "request": {"targets": [1]}}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ndjson"


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1}',
        b"the only copy of my notes",
        b"\x00",
        HEADER[:-3].replace(b"1", b"2"),
        b'{"journal": 1}\n',
        HEADER + b'{"batch": "unknown", "id": "1"}\n',
        HEADER + b'{"batch": "a", "images": 5}\n',
        HEADER + b'{"images": ["a"]}\n',
        HEADER + b'{"image": ["a"]}\n',
        HEADER + b"5\n",
    ],
)
def test_a_file_that_is_no_journal_is_left_as_it_is(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalUnusable, match="is not a journal of explain_many"):
        Journal(path, REQUEST)
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", range(len(HEADER)))
def test_a_journal_whose_first_line_was_cut_off_begins_again(length: int, path: Path) -> None:
    path.write_bytes(HEADER[:length])
    Journal(path, REQUEST).close()
    assert path.read_bytes() == HEADER


def test_a_line_that_was_cut_off_is_removed(path: Path) -> None:
    ended = json.dumps({"image": "a", "error": {"code": "c", "detail": "d"}}).encode() + b"\n"
    path.write_bytes(HEADER + ended + ended[:7])
    journal = Journal(path, REQUEST)
    assert journal.read("a") == json.loads(ended)
    journal.close()
    assert path.read_bytes() == HEADER + ended


def test_a_journal_in_a_missing_folder_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match="cannot be opened: No such file or directory"):
        Journal(tmp_path / "missing" / "run.ndjson", REQUEST)


@pytest.mark.parametrize("batch_id", [None, "1"])
def test_the_body_is_kept_if_its_batch_may_not_have_arrived(
    batch_id: str | None, path: Path
) -> None:
    journal = Journal(path, REQUEST)
    journal.body_path.write_bytes(b"body")
    batch = SentBatch("a", ["image"])
    journal.record_sending(batch)
    batch.id = batch_id
    journal.close()
    assert journal.body_path.exists() == (batch_id is None)


def test_a_batch_that_was_divided_is_not_sent_again(path: Path) -> None:
    journal = Journal(path, REQUEST)
    journal.record_sending(SentBatch("a", ["1", "2"]))
    journal.record_divided(SentBatch("a", ["1", "2"]))
    journal.record_sending(SentBatch("b", ["1"]))
    journal.close()
    journal = Journal(path, REQUEST)
    assert [batch.key for batch in journal.open_batches()] == ["b"]
    journal.close()


def test_a_full_disk_is_no_unreadable_image(path: Path) -> None:
    journal = Journal(path, REQUEST)
    journal.body_path.symlink_to("/dev/full")
    chunks = ImageChunks([bytes(20_000)] * 2, journal, Connection())
    with pytest.raises(OSError, match="No space left on device"):
        chunks.read_chunk(2)
    journal.body_path.unlink()
    journal.close()


def test_a_file_that_cannot_be_read_spoils_no_other(path: Path, tmp_path: Path) -> None:
    journal = Journal(path, REQUEST)
    chunks = ImageChunks([tmp_path, tmp_path / "missing", b"a"], journal, Connection())
    chunk = chunks.read_chunk(5)
    chunk.body.seek(0)
    assert [json.loads(line) for line in chunk.body] == [{"image_base64": "YQ=="}]
    assert [result.error and result.error.detail for result in chunk.ready] == [
        f"{tmp_path}: Is a directory",
        f"{tmp_path / 'missing'}: No such file or directory",
    ]
    chunk.body.close()
    journal.close()
