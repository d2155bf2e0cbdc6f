"""The simulated device replaces the call of the network and nothing else."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seewhy.catalog.catalog import Catalog
from seewhy.settings import load
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.simulated import SimulatedExplainer

SPEC = Catalog.load(load({})).get("vgg16")
LOCK = threading.Lock()
IMAGE = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)


def simulated(lock: threading.Lock = LOCK, **times: float) -> SimulatedExplainer:
    return SimulatedExplainer(SPEC, lock=lock, **times)


def tasks(explainer: SimulatedExplainer, count: int) -> list[ExplanationTask]:
    return [ExplanationTask.create(explainer.prepare(IMAGE), [-1])] * count


@pytest.mark.parametrize(("images", "slept_s"), [(1, 0.12), (8, 0.4), (32, 1.36)])
def test_a_batch_takes_a_fixed_time_and_more_for_each_image(
    images: int, slept_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    explainer = simulated(batch_s=0.08, pass_s=0.04)
    batch = tasks(explainer, images)
    monkeypatch.setattr(time, "sleep", slept.append)
    explainer.explain(batch)
    assert slept == pytest.approx([slept_s])


def test_images_are_preprocessed_as_for_the_real_network() -> None:
    prepared = simulated(batch_s=0, pass_s=0).prepare(IMAGE)
    pixels, covers = prepare(IMAGE, SPEC)
    assert np.array_equal(prepared.pixels, pixels)
    assert prepared.covers == covers


def test_every_map_is_the_same_and_its_result_names_the_simulation() -> None:
    explainer = simulated(batch_s=0, pass_s=0)
    first, second = explainer.explain(tasks(explainer, 2))
    assert first.maps.shape == (1, 14, 14)
    assert np.array_equal(first.maps, second.maps)
    assert {explainer.digest, explainer.device, explainer.engine} == {"simulated"}


def test_models_of_one_device_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, most = 0, 0
    lock = threading.Lock()

    def sleep(_: float) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        threading.Event().wait(0.01)
        busy -= 1

    explainers = [simulated(lock, batch_s=1, pass_s=0) for _ in range(2)]
    batches = [tasks(explainer, 1) for explainer in explainers]
    monkeypatch.setattr(time, "sleep", sleep)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: explainers[n % 2].explain(batches[n % 2]), range(8)))
    assert most == 1
