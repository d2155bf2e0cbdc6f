"""Pinning a process to a device, and dealing devices to the workers of `seewhy up`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy import devices
from seewhy.devices import available_cores, parse_cores, pin_process, visible_gpus
from seewhy.embedded import worker_pool
from seewhy.embedded.worker_pool import core_shares, deal_devices
from seewhy.errors import DeviceNotFound, SettingsError
from seewhy.settings import load

CUDA = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test pins this process to."""
    cores = available_cores()
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.setenv(CUDA, "0,1")
    yield
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", (0,)), ("0-3", (0, 1, 2, 3)), ("6,0-1,1-2", (0, 1, 2, 6)), ("5-5", (5,))],
)
def test_lists_and_ranges_of_cores_are_read(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cores(text) == cores


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DeviceNotFound, match="3-1 names no core: write the lower number first"):
        parse_cores("3-1")


def test_a_process_is_pinned_to_one_gpu_in_the_order_of_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    assert pin_process("gpu:1") == "gpu:1"
    assert (os.environ[CUDA], os.environ["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")


def test_gpus_are_counted_among_those_that_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CUDA, "GPU-8d0a, MIG-f3e1")
    pin_process("gpu:1")
    assert os.environ[CUDA] == "MIG-f3e1"


def test_a_process_on_the_cpu_sees_no_gpu() -> None:
    assert pin_process("cpu") == "cpu"
    assert os.environ[CUDA] == "-1"
    assert visible_gpus() == ()


def test_auto_changes_nothing() -> None:
    assert pin_process("auto") == ""
    assert (os.environ[CUDA], visible_gpus()) == ("0,1", ("0", "1"))


@pytest.mark.parametrize(
    ("visible", "message"),
    [
        ("0,1", r"gpu:2 is not there: the last one is gpu:1\. Choose another device, or `cpu`\."),
        ("-1", "gpu:2 is not there: there is no NVIDIA GPU"),
        ("", "gpu:2 is not there: there is no NVIDIA GPU"),
    ],
)
def test_a_gpu_that_is_not_there_is_named_with_those_that_are(
    visible: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CUDA, visible)
    with pytest.raises(DeviceNotFound, match=message):
        pin_process("gpu:2")


def test_without_a_choice_the_device_files_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.delenv(CUDA)
    monkeypatch.setattr(devices, "Path", lambda _: tmp_path)
    assert visible_gpus() == ("0", "1")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_is_pinned_to_cores() -> None:
    core = available_cores()[-1]
    assert pin_process("auto", cores=str(core)) == f"cpu (core {core})"
    assert available_cores() == (core,)


def test_a_core_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceNotFound, match=r"core 9999 is not available: this process may use 0"):
        pin_process("cpu", cores="0,9999")


@pytest.mark.parametrize("setting", [{"worker_device": "gpu"}, {"worker_cores": "0-"}])
def test_a_malformed_device_is_refused(setting: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting)).upper()):
        load({}, **setting)


@given(st.integers(1, 200), st.integers(1, 64))
def test_shares_of_cores_are_even_and_nobody_has_none(cores: int, workers: int) -> None:
    shares = core_shares(tuple(range(cores)), workers=workers)
    sizes = {len(share) for share in shares}
    assert len(shares) == workers
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    used = [core for share in shares for core in share]
    assert set(used) == set(range(min(cores, workers) if workers > cores else cores))
    if workers <= cores:
        assert used == list(range(cores)), "each core once"


def dealt(workers: int, **settings: str) -> list[tuple[str, str | None]]:
    pool = deal_devices(load({}, **settings), workers=workers)
    return [(each.worker_device, each.worker_cores) for each in pool]


def test_each_worker_gets_a_gpu_and_further_ones_share_them() -> None:
    assert dealt(3) == [("gpu:0", None), ("gpu:1", None), ("gpu:0", None)]


def test_one_worker_and_workers_with_a_named_gpu_keep_their_device() -> None:
    assert dealt(1) == [("auto", None)]
    assert dealt(2, worker_device="gpu:1") == [("gpu:1", None)] * 2


def test_workers_on_the_cpu_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "available_cores", lambda: (0, 1, 2, 5))
    assert dealt(2, worker_device="cpu") == [("cpu", "0,1"), ("cpu", "2,5")]
    assert dealt(2, worker_device="cpu", worker_cores="8-10") == [("cpu", "8"), ("cpu", "9,10")]
    monkeypatch.setenv(CUDA, "-1")
    assert dealt(3) == [("auto", "0"), ("auto", "1"), ("auto", "2,5")]
