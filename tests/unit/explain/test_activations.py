"""Activations that are kept from one job to the next, and shared by the methods of a batch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import networks
from seewhy.errors import OutOfMemory
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.ports.cuts import Activation

IMAGES = networks.random_images(5)
ACTIVATION_BYTES = 8 * 8 * 4 * 4
"""(8, 8, 4) float32."""
METHODS = ("gradcam", "hirescam", "ablationcam", "scorecam", "guided-gradcam", "smoothgrad")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    """Keeps nothing."""
    return networks.make_explainer(networks.two_layer_cnn(), tmp_path_factory.mktemp("plain"))


@pytest.fixture
def keeping(tmp_path: Path) -> KerasExplainer:
    """Keeps the activations of two images."""
    return networks.make_explainer(
        networks.two_layer_cnn(), tmp_path, activation_cache_bytes=2 * ACTIVATION_BYTES
    )


@pytest.fixture
def body_batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch size of each run of a body."""
    batches: list[int] = []
    run = Body.__call__

    def counted(body: Body, pixels: Any) -> Any:
        batches.append(len(pixels))
        return run(body, pixels)

    monkeypatch.setattr(Body, "__call__", counted)
    return batches


def task(explainer: KerasExplainer, image: int, **options: Any) -> ExplanationTask:
    prepared = replace(explainer.prepare(IMAGES[image]), cache_key=f"image {image}")
    return ExplanationTask.create(prepared, (1, -1), MethodOptions(**options))


def explain(explainer: KerasExplainer, image: int, **options: Any) -> ImageExplanation:
    (found,) = explainer.explain([task(explainer, image, **options)])
    return found


@pytest.mark.parametrize("method", METHODS)
def test_a_kept_activation_gives_the_same_map(
    plain: KerasExplainer, keeping: KerasExplainer, body_batches: list[int], method: str
) -> None:
    explain(keeping, 0)
    found = explain(keeping, 0, method=method)
    assert body_batches == [1]
    assert found.body == "cached"
    expected = explain(plain, 0, method=method)
    assert expected.body == "computed"
    networks.assert_same_maps([found], [expected])


def test_the_methods_of_a_batch_share_one_pass_through_the_body(
    plain: KerasExplainer, body_batches: list[int]
) -> None:
    tasks = [task(plain, 0, method=method) for method in METHODS]
    found = plain.explain([*tasks, task(plain, 1)])
    assert body_batches == [2]
    expected = [plain.explain([one])[0] for one in (*tasks, task(plain, 1))]
    networks.assert_same_maps(found, expected)
    assert [one.body for one in found] == ["computed"] * 7


def test_a_batch_of_kept_and_new_images_gives_the_maps_of_each(
    plain: KerasExplainer, keeping: KerasExplainer, body_batches: list[int]
) -> None:
    explain(keeping, 1)
    batch = [task(keeping, image) for image in (0, 1, 2)]
    found = keeping.explain(batch)
    assert body_batches == [1, 2]
    assert [one.body for one in found] == ["computed", "cached", "computed"]
    networks.assert_same_maps(found, [explain(plain, image) for image in (0, 1, 2)])


def test_the_least_recently_used_activations_make_room(keeping: KerasExplainer) -> None:
    for image in (0, 1, 0, 2):
        explain(keeping, image)
    assert [explain(keeping, image).body for image in (2, 0)] == ["cached", "cached"]
    assert explain(keeping, 1).body == "computed"


def test_an_image_without_a_key_is_never_kept(keeping: KerasExplainer) -> None:
    nameless = ExplanationTask.create(keeping.prepare(IMAGES[0]), (1,))
    bodies = [keeping.explain([nameless])[0].body for _ in range(2)]
    assert bodies == ["computed", "computed"]


def test_each_layer_has_activations_of_its_own(keeping: KerasExplainer) -> None:
    explain(keeping, 0)
    assert explain(keeping, 0, layers=("conv1",)).body == "computed"
    assert explain(keeping, 0, layers=("conv2",)).body == "cached", "the default layer, named"


def test_an_activation_kept_from_a_batch_does_not_keep_the_batch(plain: KerasExplainer) -> None:
    pixels = np.stack([plain.prepare(image).pixels for image in IMAGES[:2]])
    ((tensor,),) = plain.graphs.body([()], 2)(pixels).values()
    kept = Activation((tensor,), 1).alone()
    assert kept.tensors[0].shape[0] == 1
    assert kept.bytes == ACTIVATION_BYTES
    np.testing.assert_array_equal(kept.tensors[0][kept.row], tensor[1])


def test_kept_activations_are_freed_before_a_batch_runs_out_of_memory(
    keeping: KerasExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain(keeping, 0)
    compiled_head, refusals = keeping.graphs.head, [1]

    def head(spec: Any) -> Any:
        if refusals:
            refusals.pop()
            raise OutOfMemory("too much")
        return compiled_head(spec)

    monkeypatch.setattr(keeping.graphs, "head", head)
    assert explain(keeping, 1).body == "computed"
    assert explain(keeping, 0).body == "computed", "it was freed"
    refusals.extend([1, 1])
    with pytest.raises(OutOfMemory):
        explain(keeping, 0)


def test_a_batch_has_as_many_different_images_as_the_largest_batch(
    tmp_path: Path, plain: KerasExplainer, body_batches: list[int]
) -> None:
    narrow = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=2)
    order = [0, 1, 0, 2, 1, 3, 2]
    found = narrow.explain([task(narrow, image) for image in order])
    assert body_batches == [2, 2]
    networks.assert_same_maps(found, [explain(plain, image) for image in order])


LAYERS: tuple[tuple[str, ...], ...] = (("conv1",), (), ("conv2",))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "smoothgrad"])
def test_the_layers_of_a_job_share_one_pass_and_each_map_is_that_of_a_job_of_its_own(
    plain: KerasExplainer, body_batches: list[int], method: str
) -> None:
    first = task(plain, 0, method=method)
    job = [replace(first, options=MethodOptions(method=method, layers=layers)) for layers in LAYERS]
    found = plain.explain([*job, task(plain, 1, method=method)])
    assert body_batches == [1, 1], "the other image has one layer only"
    assert [one.layer for one in found] == ["conv1", "conv2", "conv2", "conv2"]
    expected = [explain(plain, 0, method=method, layers=layers) for layers in LAYERS]
    networks.assert_same_maps(found[:3], expected, rtol=1e-6)
    if method == "gradcam":
        assert [one.maps.shape[1:] for one in found[:3]] == [(10, 10), (8, 8), (8, 8)]


def test_images_with_the_same_layers_share_a_batch(
    plain: KerasExplainer, body_batches: list[int]
) -> None:
    jobs = [task(plain, image) for image in (0, 1)]
    both = [
        replace(one, options=MethodOptions(layers=layers)) for one in jobs for layers in LAYERS[:2]
    ]
    found = plain.explain(both)
    assert body_batches == [2]
    expected = [explain(plain, image, layers=layers) for image in (0, 1) for layers in LAYERS[:2]]
    networks.assert_same_maps(found, expected)


def test_kept_activations_of_all_layers_save_the_body(tmp_path: Path) -> None:
    keeping = networks.make_explainer(
        networks.two_layer_cnn(), tmp_path, activation_cache_bytes=100_000
    )
    one = task(keeping, 0)
    job = [replace(one, options=MethodOptions(layers=layers)) for layers in LAYERS[:2]]
    explain(keeping, 0)
    assert [found.body for found in keeping.explain(job)] == ["computed"] * 2
    again = keeping.explain(job)
    assert [found.body for found in again] == ["cached"] * 2
    networks.assert_same_maps(
        again, [explain(keeping, 0, layers=layers) for layers in LAYERS[:2]], rtol=1e-6
    )


def test_the_order_of_fused_layers_compiles_nothing_new(plain: KerasExplainer) -> None:
    explain(plain, 0, layers=("conv1", "conv2"))
    heads = plain.graphs.head.cache_info().misses
    explain(plain, 0, layers=("conv2", "conv1"))
    assert plain.graphs.head.cache_info().misses == heads
