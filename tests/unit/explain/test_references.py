"""Networks that output embeddings: the explained score is the similarity to a reference image."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf

from embedding_model import ENTRY, NAMES, embedding_network, random_photo, write_catalog
from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import SettingsError, UnsupportedModel, WeightsCorrupt
from seewhy.imaging import codecs
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.job import JobState, MethodOptions
from seewhy.schemas.reference import RequestReference, StoredReference
from seewhy.settings import load
from seewhy.storage.keys import image_key
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.ports.scoring import Scoring

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

VALUES = MethodOptions(score="value")


def load_spec(catalog: Path) -> ModelSpec:
    return Catalog.load(load({}, models_file=catalog)).get("faces")


def load_faces(spec: ModelSpec) -> KerasExplainer:
    path = spec.folder / "faces.keras"
    return load_explainer(spec, weights_path=path, max_batch=1, engine="tensorflow")


def gradcam(model: keras.Model, pixels: Any, reference: Any) -> tuple[Any, float]:
    """Compute Grad-CAM of cos(f(x), f(reference)) with a tape over the whole network."""
    both = keras.Model(model.input, [model.get_layer("conv").output, model.output])
    other = model(reference[None])[0]
    with tf.GradientTape() as tape:
        activation, embeddings = both(pixels[None])
        norms = tf.norm(embeddings[0]) * tf.norm(other)
        similarity = tf.tensordot(embeddings[0], other, 1) / norms
    weights = tf.reduce_mean(tape.gradient(similarity, activation), axis=(1, 2))
    return tf.einsum("nc,nhwc->nhw", weights, activation)[0].numpy(), float(similarity)


def test_the_similarity_to_each_reference_is_explained(tmp_path: Path) -> None:
    spec = load_spec(write_catalog(tmp_path))
    explainer, model = load_faces(spec), embedding_network()
    prepared = explainer.prepare(random_photo(9))
    (found,) = explainer.explain([ExplanationTask.create(prepared, range(3), VALUES)])
    similarities = []
    for seed, (map_, target) in enumerate(zip(found.maps, found.targets, strict=True)):
        reference = explainer.prepare(random_photo(seed)).pixels
        expected, similarity = gradcam(model, prepared.pixels, reference)
        assert np.abs(expected).max() > 0
        assert np.abs(map_ - expected).max() <= 1e-5 * np.abs(expected).max()
        assert target.score.value == pytest.approx(similarity, rel=1e-5)
        assert (target.score.label, target.score.probability) == (NAMES[seed], None)
        similarities.append((similarity, NAMES[seed]))
    assert [score.label for score in found.top] == [name for _, name in sorted(similarities)[::-1]]


def test_an_image_is_most_similar_to_itself(tmp_path: Path) -> None:
    explainer = load_faces(load_spec(write_catalog(tmp_path)))
    prepared = explainer.prepare(random_photo(1))
    (found,) = explainer.explain([ExplanationTask.create(prepared, [-1], VALUES)])
    score = found.targets[0].score
    assert score.label == "ben"
    assert score.value == pytest.approx(1.0, abs=1e-6)


def test_a_changed_or_missing_reference_is_refused(tmp_path: Path) -> None:
    spec = load_spec(write_catalog(tmp_path, digests={"ben": "0" * 64}))
    with pytest.raises(WeightsCorrupt, match=r"ben\.png"):
        load_faces(spec)
    (tmp_path / "anna.png").unlink()
    with pytest.raises(UnsupportedModel, match=r"reference 'anna', .*anna\.png: No such file"):
        load_faces(spec)


def test_references_belong_to_the_identity_of_the_model(tmp_path: Path) -> None:
    spec = load_spec(write_catalog(tmp_path))
    other = load_spec(write_catalog(tmp_path, digests={"ben": "0" * 64}))
    assert spec.fingerprint != other.fingerprint
    assert tuple(spec.labels) == NAMES


def test_an_embedding_and_references_need_each_other(tmp_path: Path) -> None:
    entry = ENTRY.replace('scores = "embedding"', 'labels_file = "x"')
    with pytest.raises(SettingsError, match="`references` need each other"):
        load_spec(write_catalog(tmp_path, entry=entry))


def with_reference(explainer: KerasExplainer, photo: Any, reference: Any) -> ExplanationTask:
    scoring = Scoring(reference=explainer.prepare(reference).pixels)
    return ExplanationTask.create(replace(explainer.prepare(photo), scoring=scoring), [-1], VALUES)


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_a_reference_of_the_request_is_explained_as_the_same_one_of_the_catalog(
    engine: EngineChoice, tmp_path: Path
) -> None:
    explainer, photo = load_faces(load_spec(write_catalog(tmp_path))), random_photo(9)
    explainer.choose_engine(engine)
    catalog = ExplanationTask.create(explainer.prepare(photo), [1, 2], VALUES)
    ben, eva = (with_reference(explainer, photo, random_photo(seed)) for seed in (1, 2))
    expected, *found = explainer.explain([catalog, ben, eva])
    for index, one in enumerate(found):
        largest = np.abs(expected.maps[index]).max()
        assert largest > 0
        assert np.abs(one.maps[0] - expected.maps[index]).max() <= 1e-6 * largest
        (score,) = one.top
        assert score.value == pytest.approx(expected.targets[index].score.value, abs=1e-6)
        assert (score.index, score.label) == (0, "reference")
        assert one.targets[0].score == score


@pytest.mark.parametrize("method", ["scorecam", "ablationcam", "integrated-gradients"])
def test_every_method_compares_with_the_reference_of_its_task(method: str, tmp_path: Path) -> None:
    explainer, photo = load_faces(load_spec(write_catalog(tmp_path))), random_photo(9)
    options = MethodOptions(method=method, score="value")
    tasks = [with_reference(explainer, photo, random_photo(seed)) for seed in (0, 1, 0)]
    catalog = ExplanationTask.create(explainer.prepare(photo), [0], options)
    first, other, again, expected = explainer.explain(
        [*(replace(task, options=options) for task in tasks), catalog]
    )
    largest = np.abs(expected.maps).max()
    np.testing.assert_array_equal(first.maps, again.maps)
    assert np.abs(first.maps - expected.maps).max() <= 1e-5 * largest
    assert np.abs(other.maps - expected.maps).max() > 1e-3 * largest


def test_a_job_is_compared_with_its_reference_or_says_that_it_expired(
    tmp_path: Path, photos: Path
) -> None:
    explainer = load_faces(load_spec(write_catalog(tmp_path)))
    worker = InMemoryWorker(explainer=cast("Any", explainer))
    body, reference_id = (photos / "cat.jpg").read_bytes(), "b" * 64
    key = image_key(reference_id, tenant="a")
    worker.store.put(IMAGE_KEY, body, content_type="image/jpeg")
    worker.store.put(key, (tmp_path / "ben.png").read_bytes(), content_type="image/png")
    compared, expired = job_ids(2)
    reference = StoredReference(key=key, width_px=12, height_px=12)
    worker.submit(compared, score="value", reference=reference)
    assert worker.run() == 1
    result = worker.result(compared)
    cat = codecs.decode(body, max_pixels=1_000_000)
    catalog = ExplanationTask.create(explainer.prepare(cat), [1], VALUES)
    (expected,) = explainer.explain([catalog])
    assert result.targets[0].score.value == pytest.approx(expected.targets[0].score.value, abs=1e-6)
    assert result.reference == RequestReference(image_id=reference_id)
    worker.store.delete(key)
    worker.submit(expired, score="value", reference=reference)
    worker.run()
    assert worker.outcome(expired) == (JobState.FAILED, "image_gone")
    assert "The reference expired" in str(worker.record(expired).error_detail)
