"""Make `references.npz` with the maps of pytorch-grad-cam and tf-keras-vis on the same weights.

Runs in a separate environment from `requirements/references.txt`: `make references`. It imports
nothing from seewhy. `reference_entries.py` describes the file.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import fine_tuned_vgg16  # noqa: E402
import keras  # noqa: E402

from golden import keras_references, torch_references  # noqa: E402
from golden.reference_entries import Entries  # noqa: E402
from golden.reference_images import brain_tumour_images, imagenet_images  # noqa: E402

EFFICIENTNET_FILE = ROOT / "models" / "seewhy_models" / "efficientnet-lite0.keras"
BRAIN_TUMOUR_TARGETS = ((0, 1, 2, 3),) * 3
IMAGENET_TARGETS = ((281, 282), (504, 967), (759, 872))


def brain_tumour() -> Entries:
    """Run every method except Score-CAM of all channels on the fine-tuned VGG16."""
    pixels = brain_tumour_images().astype(np.float32) / np.float32(255)
    network, ends, head = torch_references.vgg16(fine_tuned_vgg16.ONNX_FILE)
    model, layer = fine_tuned_vgg16.build(), "block5_conv3"
    targets = BRAIN_TUMOUR_TARGETS
    two = (targets[0][:2],)
    entries = {"targets": np.array(targets)}
    entries |= torch_references.one_pass_maps(network, ends[-1], pixels, targets)
    entries |= keras_references.maps(keras_references.ONE_PASS, model, layer, pixels, targets)
    entries |= torch_references.ablationcam_maps(network, ends[-1], head, pixels, two)
    entries |= keras_references.maps(keras_references.TEN_CHANNELS, model, layer, pixels, two)
    entries |= torch_references.fused_maps(network, ends[-2:], pixels, targets[0][0])
    entries |= torch_references.guided_gradient(network, pixels, targets[0][0])
    entries |= keras_references.guided_gradient(model, pixels, targets[0][0])
    entries |= keras_references.input_gradient(model, pixels, targets[0][0])
    return entries


def efficientnet_lite0() -> Entries:
    """Run every method that does not require ReLU layers on EfficientNet-Lite0."""
    pixels = (imagenet_images().astype(np.float32) - np.float32(127)) / np.float32(128)
    network, end, head = torch_references.efficientnet()
    model, layer = keras.saving.load_model(EFFICIENTNET_FILE), "top_relu"
    targets = IMAGENET_TARGETS
    one = (targets[0][:1],)
    entries = {"targets": np.array(targets)}
    entries |= torch_references.one_pass_maps(network, end, pixels, targets)
    entries |= keras_references.maps(keras_references.ONE_PASS, model, layer, pixels, targets)
    entries |= torch_references.ablationcam_maps(network, end, head, pixels, one)
    entries |= torch_references.scorecam_maps(network, end, pixels, one)
    entries |= keras_references.maps(keras_references.ALL_CHANNELS, model, layer, pixels, one)
    entries |= keras_references.maps(keras_references.TEN_CHANNELS, model, layer, pixels, one)
    entries |= keras_references.input_gradient(model, pixels, targets[0][0])
    return entries


def main() -> None:
    """Write `references.npz` beside this file."""
    models = {"brain-tumour": brain_tumour(), "efficientnet-lite0": efficientnet_lite0()}
    entries: dict[str, Any] = {
        f"{model}/{name}": array for model, all_ in models.items() for name, array in all_.items()
    }
    np.savez_compressed(HERE / "references.npz", **entries)


if __name__ == "__main__":
    main()
