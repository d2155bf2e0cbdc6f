"""`seewhy up` with the real Valkey, worker and API, as a user sees it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from seewhy.client import Client
from seewhy.schemas.job import JobState
from servers.processes import alive
from servers.up import Up, running_up
from servers.waiting import wait_until

MODEL = "efficientnet-lite0"
PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"


def unreachable_model(folder: Path, *, name: str = "far-away") -> Path:
    """Write a catalog with a model whose weights cannot be downloaded; return its path."""
    (folder / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    catalog = folder / "models.toml"
    catalog.write_text(
        f"""
        [{name}]
        source = "keras.applications:VGG16"
        input = {{ height_px = 224, width_px = 224 }}
        preprocessing = {{ kind = "vgg16" }}
        labels_file = "labels.txt"
        [{name}.weights]
        file = "far-away.h5"
        url = "http://127.0.0.1:9/far-away.h5"
        digest = "md5:{"0" * 32}"
        """,
        encoding="utf-8",
    )
    return catalog


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One service for the tests that do not stop it; its default model cannot be downloaded."""
    folder = tmp_path_factory.mktemp("up")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(folder))
            patch.setenv("SEEWHY_MODELS_FILE", str(unreachable_model(folder, name="vgg16")))
            up = stack.enter_context(running_up(folder / "data"))
        yield up


def descendants(pid: int) -> set[int]:
    """Return the process ids of all descendants of `pid`."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.stdout.splitlines())}
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


def explain_the_cat(url: str) -> str:
    """Explain one photo and return the explanation's id."""
    with Client(url) as client:
        explanation = client.explain(PHOTO, timeout_s=120)
        assert explanation.result is not None
        assert explanation.result.top[0].label == "tiger cat"
        return explanation.id


def test_an_unreachable_default_model_is_replaced_with_a_warning(up: Up) -> None:
    explain_the_cat(up.url)
    assert "the model that ships with seewhy instead: efficientnet-lite0" in up.printed
    with Client(up.url) as client:
        assert client.models().default == MODEL


@pytest.mark.parametrize("name", ["worker", "valkey", "api"])
def test_a_killed_child_is_restarted_and_the_service_works_again(up: Up, name: str) -> None:
    explained = explain_the_cat(up.url)
    killed = up.pids[name]

    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: up.pids[name] != killed, what=f"another {name}")

    assert f"{name} │ was killed by SIGKILL" in up.printed
    with Client(up.url) as client:
        # A disk that is slow to flush loses the outcome with the killed Valkey; the job runs again.
        wait_until(
            lambda: client.get(explained).status is JobState.SUCCEEDED,
            what="the outcome, or another of the same job",
        )
    explain_the_cat(up.url)


def test_a_second_up_on_the_same_data_directory_names_the_first(up: Up) -> None:
    _ = up.url
    with running_up(up.data.parent / "data" / ".." / "data", model=MODEL) as second:
        assert second.process.wait(timeout=60) == 1
        assert re.search(
            rf"in use by another `seewhy up` \(process {up.process.pid}\)", second.printed
        )


def test_a_port_in_use_is_named(up: Up, tmp_path: Path) -> None:
    port = int(up.url.rpartition(":")[2])
    with running_up(tmp_path / "data", port=port, model=MODEL) as second:
        assert second.process.wait(timeout=60) == 1
        assert f"port {port} of 127.0.0.1 is in use" in second.printed


def assert_explains_without_delay(up: Up, photo: Path) -> None:
    """Fail if `up` has printed that it is ready before a worker was.

    The service must not have explained the photo before: a known result has no start.
    """
    with Client(up.url) as client:
        explanation = client.explain(photo)
    assert explanation.started_at is not None
    assert (explanation.started_at - explanation.submitted_at).total_seconds() < 5


def assert_stops(up: Up, number: signal.Signals) -> None:
    below = descendants(up.process.pid)
    assert set(up.pids.values()) <= below
    assert up.stop(number) == 0
    assert not {pid for pid in below if alive(pid)}


def test_everything_stops_after_a_signal_or_a_kill_and_the_data_survives(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", model=MODEL) as first:
        assert_explains_without_delay(first, PHOTO)
        for line in (f"loading {MODEL}", "accepting requests", "ready after"):
            assert line in first.printed
        explained = explain_the_cat(first.url)
        assert_stops(first, signal.SIGINT)

    with running_up(tmp_path / "data", model=MODEL) as killed:
        with Client(killed.url) as client:
            explanation = client.get(explained)
            assert explanation.result is not None
            assert client.overlay(explanation)[:2] == b"\xff\xd8"
        below = descendants(killed.process.pid)
        killed.process.kill()
        killed.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in below), what="all children to exit")

    # The registration of the killed worker has not expired yet.
    with running_up(tmp_path / "data", model=MODEL) as last:
        assert_explains_without_delay(last, PHOTO.with_name("coffee.jpg"))
        assert_stops(last, signal.SIGTERM)


def test_a_named_model_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SEEWHY_MODELS_FILE", str(unreachable_model(tmp_path)))
    with running_up(tmp_path / "data", model="far-away") as up:
        assert up.process.wait(timeout=60) == 1
        assert "SEEWHY_MODEL_DIR" in up.printed
        assert not up.pids
