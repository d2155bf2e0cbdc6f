"""Where the explainer of a Keras model calls its checkpoint, and what an interruption leaves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import networks
from seewhy.schemas.job import MethodOptions
from seewhy_worker.checkpoints.checkpoint import Interrupted
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.keras_backend import chunk_loop

IMAGES = networks.random_images(3)
CHUNK = 2
"""Images that go through the network together."""


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    """Explains four channels."""
    return networks.make_explainer(
        networks.two_layer_cnn(), tmp_path_factory.mktemp("small"), max_batch=CHUNK
    )


@pytest.fixture(autouse=True)
def _one_chunk_per_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_loop, "CALL_S", 0.0)


def task(explainer: KerasExplainer, image: int = 0, **options: Any) -> ExplanationTask:
    targets = options.pop("targets", (-1,))
    prepared = explainer.prepare(IMAGES[image])
    return ExplanationTask.create(prepared, targets, MethodOptions(**options))


def checkpoints(explainer: KerasExplainer, *tasks: ExplanationTask) -> int:
    calls: list[None] = []
    explainer.explain(tasks, checkpoint=lambda: calls.append(None))
    return len(calls)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 0),
        ({"targets": range(5)}, 0),
        ({"method": "scorecam"}, 4 / CHUNK),
        ({"method": "scorecam", "targets": range(5)}, 4 / CHUNK),
        ({"method": "ablationcam"}, 1),
        ({"method": "smoothgrad"}, 20),
        ({"method": "integrated-gradients", "targets": (0, 1, 2)}, 3 * 32),
        ({"method": "guided-gradcam"}, 1),
        ({"trust": True}, 16 / CHUNK),
    ],
)
def test_there_is_a_checkpoint_between_any_two_passes(
    explainer: KerasExplainer, options: dict[str, Any], count: int
) -> None:
    """The first pass finds the classes; `CHUNK` images at a time, or single gradients, follow."""
    assert checkpoints(explainer, task(explainer, **options)) == count


def test_there_is_a_checkpoint_between_the_images_and_methods_of_a_batch(
    explainer: KerasExplainer,
) -> None:
    batch = [task(explainer, image) for image in range(3)]
    assert checkpoints(explainer, *batch) == 1
    assert checkpoints(explainer, *batch, task(explainer, method="hirescam")) == 2


@pytest.mark.parametrize("method", ["scorecam", "smoothgrad"])
def test_cheap_chunks_share_calls_and_give_the_same_map(
    explainer: KerasExplainer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    chosen = task(explainer, method=method, targets=(0, 1))
    (expected,) = explainer.explain([chosen])
    before = checkpoints(explainer, chosen)
    monkeypatch.setattr(chunk_loop, "CALL_S", 60.0)
    *_, last = [checkpoints(explainer, chosen) for _ in range(8)]
    assert last == (1 if method == "scorecam" else 2) < before, "one call for each loop"
    (found,) = explainer.explain([chosen])
    np.testing.assert_array_equal(found.maps, expected.maps)


def test_a_slow_device_gets_one_image_at_a_time(
    explainer: KerasExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warm-up measures a pass."""
    chosen = task(explainer, method="scorecam")
    times_s = iter((0.0, 1.0))
    clock = SimpleNamespace(perf_counter=lambda: next(times_s))
    monkeypatch.setattr("seewhy_worker.explain.model_explainer.time", clock)
    explainer.warm_up()
    slow = checkpoints(explainer, chosen)
    explainer.set_pass_time(0.0)
    assert (slow, checkpoints(explainer, chosen)) == (4, 4 / CHUNK)


def test_a_slow_device_explains_the_targets_at_a_chosen_layer_one_after_the_other(
    explainer: KerasExplainer,
) -> None:
    """Nearly the whole network may repeat for each of them."""
    chosen = task(explainer, layers=("conv1",), targets=(3, 1, -1, 0))
    short = task(explainer, 1, layers=("conv1",), targets=(2,))
    expected = explainer.explain([chosen, short])
    explainer.set_pass_time(1.0)
    slow = checkpoints(explainer, chosen, short)
    found = explainer.explain([chosen, short])
    explainer.set_pass_time(0.0)
    assert (slow, checkpoints(explainer, chosen, short)) == (4, 0)
    networks.assert_same_maps(found, expected)
    assert [one.top for one in found] == [one.top for one in expected]


def test_an_interrupted_explainer_explains_the_next_image_as_before(
    explainer: KerasExplainer,
) -> None:
    chosen = task(explainer, method="scorecam", targets=(0, 1))
    (expected,) = explainer.explain([chosen])

    def interrupt() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        explainer.explain([chosen], checkpoint=interrupt)
    (found,) = explainer.explain([chosen])
    np.testing.assert_array_equal(found.maps, expected.maps)


def test_many_targets_at_a_chosen_layer_divide_a_batch(tmp_path: Path) -> None:
    """Nearly the whole network may repeat for each target, without a checkpoint."""
    explainer = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=8)
    batch = [task(explainer, image % 3, layers=("conv1",), targets=range(5)) for image in range(8)]
    assert checkpoints(explainer, *batch) == 3
    plain = [task(explainer, image % 3, targets=range(5)) for image in range(8)]
    assert checkpoints(explainer, *plain) == 0
