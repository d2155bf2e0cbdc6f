"""Bundles appear whole or not at all, and those that others could have written are refused."""

import threading
from pathlib import Path

import pytest

from seewhy_worker.bundles.contents import Contents, StoredFacts
from seewhy_worker.bundles.store import (
    CONTENTS,
    NETWORK,
    WEIGHTS,
    BundleStore,
    BundleUnusable,
    write_contents,
)

CONTENT = Contents(
    facts=StoredFacts(
        layers=("conv",),
        cut_name="conv",
        map_shape=(3, 4),
        input_shape=(12, 16, 3),
        classes=5,
        score_grid=None,
        probability_function="softmax",
        receptive_field=None,
    ),
    engine="openvino 1 float32",
    precision="float32",
    cut_tensors=1,
    heads=(),
    sha256={},
)
ID, OTHER_ID = "a" * 64, "b" * 64


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "bundles")


def write(store: BundleStore, identity: str = ID, *, weights: bytes = b"weights") -> None:
    with store.writing("small", identity) as folder:
        (folder / NETWORK).write_text("<net/>")
        (folder / WEIGHTS).write_bytes(weights)
        write_contents(folder, CONTENT)


def refusal(store: BundleStore, identity: str = ID) -> str:
    with pytest.raises(BundleUnusable) as caught:
        store.read("small", identity)
    return str(caught.value)


def test_a_bundle_is_read_as_it_was_written_and_for_its_owner_only(store: BundleStore) -> None:
    assert refusal(store) == "none was written"

    write(store)

    contents, folder = store.read("small", ID)
    assert contents.facts == CONTENT.facts
    assert (folder / WEIGHTS).read_bytes() == b"weights"
    assert folder.stat().st_mode & 0o077 == 0
    assert refusal(store, OTHER_ID) == "none was written"


@pytest.mark.parametrize("name", [NETWORK, WEIGHTS])
def test_a_damaged_bundle_is_refused_and_written_again(store: BundleStore, name: str) -> None:
    write(store)
    _, folder = store.read("small", ID)
    (folder / name).write_bytes(b"other")
    assert "is damaged" in refusal(store)

    write(store)

    assert store.read("small", ID)[1] == folder


def test_contents_that_are_no_contents_are_refused(store: BundleStore) -> None:
    write(store)
    _, folder = store.read("small", ID)
    (folder / CONTENTS).write_text('{"facts": 1}')

    assert "cannot be read" in refusal(store)


@pytest.mark.parametrize("name", [".", CONTENTS, NETWORK, WEIGHTS])
def test_a_bundle_that_others_may_write_is_refused(store: BundleStore, name: str) -> None:
    write(store)
    _, folder = store.read("small", ID)
    (folder / name).chmod(0o777)

    assert "others may write" in refusal(store)


def test_a_bundle_that_fails_while_it_is_written_leaves_nothing(
    store: BundleStore, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError), store.writing("small", ID) as folder:
        write_contents(folder, CONTENT)  # without a network

    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_bundle_replaces_those_of_other_identities_of_its_model_alone(
    store: BundleStore, tmp_path: Path
) -> None:
    write(store)
    with store.writing("smaller", ID) as folder:
        (folder / NETWORK).write_text("<net/>")
        (folder / WEIGHTS).write_bytes(b"")
        write_contents(folder, CONTENT)

    write(store, OTHER_ID)

    assert refusal(store) == "none was written"
    names = {folder.name for folder in (tmp_path / "bundles").iterdir()}
    assert names == {f"small@{OTHER_ID[:32]}", f"smaller@{ID[:32]}"}


def test_writers_at_the_same_time_leave_one_whole_bundle(
    store: BundleStore, tmp_path: Path
) -> None:
    both_have_written = threading.Barrier(2)

    def write_slowly(weights: bytes) -> None:
        with store.writing("small", ID) as folder:
            (folder / NETWORK).write_text("<net/>")
            (folder / WEIGHTS).write_bytes(weights)
            write_contents(folder, CONTENT)
            both_have_written.wait(timeout=20)

    threads = [threading.Thread(target=write_slowly, args=(text,)) for text in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    _, folder = store.read("small", ID)
    assert (folder / WEIGHTS).read_bytes() in {b"one", b"two"}
    assert len(list((tmp_path / "bundles").iterdir())) == 1
