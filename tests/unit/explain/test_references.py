"""Networks that output embeddings: the explained score is the similarity to a reference image."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import networks
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import SettingsError, UnsupportedModel, WeightsCorrupt
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

VALUES = MethodOptions(score="value")
NAMES = ("anna", "ben", "eva")
ENTRY = """
[faces]
source = "faces.keras"
sha256 = "{digest}"
input = {{ height_px = 12, width_px = 12 }}
preprocessing = {{ kind = "scale", mean = 127.5, std = 127.5 }}
scores = "embedding"
"""


def embedding_network() -> keras.Model:
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 1)(image)
    initializer = networks.seeded_initializer(2)
    embedding = layers.Dense(6, "tanh", kernel_initializer=initializer, name="embedding")
    return keras.Model(image, embedding(layers.Flatten()(hidden)))


def random_photo(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_catalog(
    folder: Path, *, entry: str = ENTRY, digests: dict[str, str] | None = None
) -> Path:
    """Write a model, the photos of three references and the catalog."""
    embedding_network().save(folder / "faces.keras")
    text = entry.format(digest=digest(folder / "faces.keras"))
    for seed, name in enumerate(NAMES):
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), random_photo(seed)[..., ::-1])
        sha256 = (digests or {}).get(name) or digest(path)
        text += f'[faces.references.{name}]\nfile = "{name}.png"\nsha256 = "{sha256}"\n'
    (folder / "models.toml").write_text(text)
    return folder / "models.toml"


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
