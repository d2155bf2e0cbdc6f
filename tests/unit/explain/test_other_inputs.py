"""Networks with inputs beside the image: their values come from the catalog or the request."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import networks
from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from patient_model import CATALOG, patient_network
from seewhy.errors import UnsupportedModel
from seewhy.imaging import codecs
from seewhy.imaging.maps import decode_npy
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.models.splitting.split_model import split

REQUEST = {"age": (0.9,), "site": (0.0, 1.0, 0.5)}


def gradcam(
    model: keras.Model, pixels: NDArray[np.float32], inputs: dict[str, Any], class_index: int
) -> Any:
    """Compute Grad-CAM at `conv2` with a tape over the whole network."""
    both = keras.Model(model.inputs, [model.get_layer("conv2").output, model.output])
    age, site = (np.array([inputs[name]], np.float32) for name in ("age", "site"))
    with tf.GradientTape() as tape:
        activation, scores = both([age, pixels[None], site])
        score = scores[0, class_index]
    weights = tf.reduce_mean(tape.gradient(score, activation), axis=(1, 2))
    return tf.einsum("nc,nhwc->nhw", weights, activation)[0].numpy()


def explainer_of(model: keras.Model, folder: Path) -> KerasExplainer:
    spec = networks.make_spec(folder, classes=3, inputs=CATALOG)
    split_model = split(model, "conv2", inputs=CATALOG)
    return KerasExplainer(
        spec=spec, model=split_model, max_batch=4, activation_cache_bytes=1_000_000
    )


def images(explainer: KerasExplainer, *inputs: dict[str, Any]) -> list[PreparedImage]:
    """Prepare one image, with a key, for each of several values of the inputs."""
    photo = np.random.default_rng(3).integers(0, 256, (12, 12, 3), np.uint8)
    return [
        replace(explainer.prepare(photo), inputs=tuple(sorted(each.items())), cache_key="photo")
        for each in inputs
    ]


@pytest.mark.parametrize("gated", [False, True])
def test_values_of_the_catalog_and_of_requests_reach_one_compiled_network(
    gated: bool, tmp_path: Path
) -> None:
    model = patient_network(gated=gated)
    explainer = explainer_of(model, tmp_path)
    prepared = images(explainer, {}, REQUEST, {"age": (2.0,)}, CATALOG)
    tasks = [ExplanationTask.create(image, [0, 2]) for image in prepared]
    values = [CATALOG, REQUEST, {**CATALOG, "age": (2.0,)}, CATALOG]
    for _ in range(2):  # the second time from kept activations
        for image, found, inputs in zip(prepared, explainer.explain(tasks), values, strict=True):
            for map_, class_index in zip(found.maps, (0, 2), strict=True):
                expected = gradcam(model, image.pixels, inputs, class_index)
                assert np.abs(expected).max() > 0
                assert np.abs(map_ - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("method", ["scorecam", "ablationcam", "smoothgrad"])
def test_methods_of_many_passes_use_the_values_of_their_task(method: str, tmp_path: Path) -> None:
    explainer = explainer_of(patient_network(gated=True), tmp_path)
    prepared = images(explainer, REQUEST, CATALOG, REQUEST)
    options = MethodOptions(method=method, trust=True)
    first, other, again = explainer.explain(
        [ExplanationTask.create(image, [0], options) for image in prepared]
    )
    np.testing.assert_array_equal(first.maps, again.maps)
    assert first.targets == again.targets
    assert np.abs(first.maps - other.maps).max() > 1e-3 * np.abs(first.maps).max()


def test_a_job_is_explained_with_its_values_and_its_result_says_them(
    tmp_path: Path, photos: Path
) -> None:
    model = patient_network(gated=True)
    explainer = explainer_of(model, tmp_path)
    worker = InMemoryWorker(explainer=cast("Any", explainer))
    body = (photos / "cat.jpg").read_bytes()
    worker.store.put(IMAGE_KEY, body, content_type="image/jpeg")
    jobs = job_ids(3)
    for job_id, inputs in zip(jobs, (REQUEST, CATALOG, REQUEST), strict=True):
        worker.submit(job_id, targets=(2,), inputs=inputs)
    assert worker.run() == 3
    pixels = explainer.prepare(codecs.decode(body, max_pixels=1_000_000)).pixels
    for job_id, inputs in zip(jobs, (REQUEST, CATALOG, REQUEST), strict=True):
        result = worker.result(job_id)
        assert result.inputs == inputs
        (found,) = decode_npy(worker.store.get(result.objects["map"]))
        expected = gradcam(model, pixels, inputs, 2)
        assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()  # 16 bits


def test_an_explanation_that_ran_in_between_changes_nothing(tmp_path: Path) -> None:
    explainer = explainer_of(patient_network(gated=True), tmp_path)
    mine, other = images(explainer, REQUEST, CATALOG)
    explainer.set_pass_time(1.0)  # one image in each chunk, with a checkpoint before it
    task = ExplanationTask.create(mine, [0], MethodOptions(method="scorecam", trust=True))
    (alone,) = explainer.explain([task])

    def explain_other() -> None:
        explainer.explain([ExplanationTask.create(other, [1])])

    (disturbed,) = explainer.explain([task], checkpoint=explain_other)
    np.testing.assert_array_equal(disturbed.maps, alone.maps)
    assert disturbed.targets == alone.targets


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"age": (1.0,)}, r"inputs without a value, site.*such as inputs = \{ site = 0\.0 \}"),
        ({**CATALOG, "sex": (1.0,)}, "no input 'sex'; its other inputs are: age, site"),
        ({**CATALOG, "site": (1.0,)}, "'site' takes 3 numbers, but `inputs` in the catalog has 1"),
    ],
)
def test_values_that_do_not_fit_the_model_are_refused(
    inputs: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnsupportedModel, match=complaint):
        split(patient_network(), inputs=inputs)


def test_two_images_and_an_input_of_open_length_are_refused() -> None:
    one, two = networks.image_input(), networks.image_input()
    hidden = layers.Concatenate()([networks.conv(2, "conv", 1)(one), networks.conv(2, "b", 2)(two)])
    model = keras.Model([one, two], networks.add_classifier(hidden))
    with pytest.raises(UnsupportedModel, match="2 inputs of the rank of images"):
        split(model)
    words = keras.Input((None,), name="words")
    joined = layers.GlobalAveragePooling2D()(networks.conv(2, "conv", 1)(one))
    total = keras.ops.sum(words, axis=1, keepdims=True)
    model = keras.Model([one, words], layers.Dense(2)(layers.Concatenate()([joined, total])))
    with pytest.raises(UnsupportedModel, match=r"'words'.*numbers or vectors of a fixed length"):
        split(model)


def test_the_engine_that_would_fix_the_values_is_refused() -> None:
    conversion = pytest.importorskip("seewhy_worker.openvino_backend.conversion")
    body = split(patient_network(gated=True), inputs=CATALOG).body
    pixels = tf.TensorSpec((None, 12, 12, 3), tf.float32)
    with pytest.raises(conversion.ConversionFailed, match="would become constant"):
        conversion.to_openvino(body, pixels)
