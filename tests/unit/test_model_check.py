"""`seewhy models check FILE`, as an operator runs it."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest
from keras import layers

import networks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def checked(model: keras.Model, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command, which must not change the file."""
    path = folder / "model.keras"
    model.save(path)
    saved = path.read_bytes()
    command = [sys.executable, "-m", "seewhy.cli", "models", "check", str(path), *options]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert path.read_bytes() == saved
    return shown


def test_a_model_is_described_and_explained(tmp_path: Path) -> None:
    image = networks.image_input()
    hidden = networks.backbone()(image)
    shown = checked(keras.Model(image, networks.add_classifier(hidden, "softmax")), tmp_path)
    *described, explained, shuffled = shown.stdout.splitlines()
    assert described == [
        "input: (None, 12, 12, 3), explained at (12, 12, 3)",
        "output: scores (None, 5)",
        "candidate: backbone/conv1 (10, 10, 6)",
        "candidate: backbone/conv2 (8, 8, 4)",
        "target layer: backbone/conv2",
        "reason: it is the last layer at the highest resolution, 8 x 8, that is followed only by "
        "pooling, activation, dropout and dense layers",
        "removed activation: softmax",
        "classes: 5, probabilities by softmax",
    ]
    assert explained.startswith("explanation of noise: output ")
    assert ", verdict ok, values from " in explained
    assert shuffled.startswith("shuffled weights: the map changes (correlation ")
    assert shown.returncode == 0


def test_a_map_that_survives_shuffled_weights_is_a_warning(tmp_path: Path) -> None:
    # Shuffling a kernel of equal weights has no effect, so the map shows only the pixels.
    image = networks.image_input()
    blind = layers.Conv2D(2, 3, kernel_initializer="ones", name="blind")(image)
    scores = layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(blind))
    shown = checked(keras.Model(image, scores), tmp_path)
    assert shown.stdout.splitlines()[-1].startswith("WARNING: the map stays the same with shuffled")


def test_a_refusal_is_reported_in_one_sentence_with_status_1(tmp_path: Path) -> None:
    shown = checked(networks.two_layer_cnn(), tmp_path, "--layer", "conv3")
    assert shown.returncode == 1
    assert shown.stderr.splitlines()[-1] == (
        "seewhy: the model has no layer 'conv3' with a spatial output. Its last spatial "
        "layers are: conv1, conv2."
    )
    assert shown.stdout == ""
