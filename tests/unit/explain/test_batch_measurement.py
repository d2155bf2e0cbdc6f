"""A worker with a GPU explains the smallest batch that keeps the GPU busy and fits into it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import networks
from seewhy.errors import OutOfMemory
from seewhy_worker.explain import batch_measurement
from seewhy_worker.explain.batch_measurement import measure_batches, smallest_fast_batch
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.pipeline.device import Device
from seewhy_worker.pipeline.watchdog import Watchdog


@pytest.mark.parametrize(
    ("paces", "expected"),
    [
        ({1: 10.0}, 1),
        ({1: 10.0, 2: 19.0, 4: 20.0}, 2),
        ({1: 10.0, 2: 18.9, 4: 20.0}, 4),
        ({1: 19.5, 2: 15.0, 4: 20.0}, 1),
    ],
)
def test_the_smallest_batch_with_about_the_best_pace_is_chosen(
    paces: Mapping[int, float], expected: int
) -> None:
    assert smallest_fast_batch(paces) == expected


def test_a_batch_that_does_not_fit_ends_the_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_measurement, "MEASURING_S", 0)
    sizes: list[int] = []

    def run(size: int) -> None:
        sizes.append(size)
        if size > 2:
            raise OutOfMemory("the device ran out of memory: use a smaller batch")

    paces = measure_batches(run, (1, 2, 4, 8))

    assert list(paces) == [1, 2]
    assert min(paces.values()) > 0
    assert sizes == [1, 1, 1, 1, 2, 2, 2, 2, 4]
    with pytest.raises(OutOfMemory):
        measure_batches(run, (4, 8))


class SmallEngine(TensorFlowEngine):
    """TensorFlow on a device that has memory for two images."""

    def body(self, *models: SplitModel, batch: int) -> Body:
        if batch > 2:
            raise OutOfMemory("the device ran out of memory: use a smaller batch")
        return super().body(*models, batch=batch)


def test_a_gpu_explains_the_batches_that_fit_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batch_measurement, "SHARE_OF_BEST", 0)  # any batch is fast enough
    monkeypatch.setattr(batch_measurement, "MEASURING_S", 0)
    caplog.set_level("INFO")
    explainer = networks.make_explainer(networks.two_layer_cnn(), tmp_path)
    expected = explain(explainer)
    explainer.device = "a GPU"
    explainer.graphs.use(SmallEngine())

    explainer.warm_up()

    assert "Batches of 4 do not fit" in caplog.text
    assert "small is explained in batches of 1: 1 gives " in caplog.text
    assert Device(explainer, max_batch=8, watchdog=Watchdog(timeout_s=60)).max_batch == 1
    networks.assert_same_maps(explain(explainer), expected)


def test_a_processor_explains_the_batches_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_measurement, "SHARE_OF_BEST", 0)
    explainer = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=2)

    explainer.warm_up()

    assert explainer.max_batch == 2


def explain(explainer: KerasExplainer) -> list[ImageExplanation]:
    images = map(explainer.prepare, networks.random_images(3))
    return explainer.explain([ExplanationTask.create(image, (0, -1)) for image in images])
