"""pytorch-grad-cam on VGG16 in PyTorch: all images together, one call per class."""

import sys
from pathlib import Path

import torch
from contender_server import Run, random_pixels, serve

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from golden.no_torchvision import without_torchvision

without_torchvision()

from pytorch_grad_cam import GradCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vgg16() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the network without softmax, and the ReLU of `block5_conv3`."""
    layers: list[torch.nn.Module] = []
    width = 3
    for channels, convolutions in BLOCKS:
        for _ in range(convolutions):
            layers += [torch.nn.Conv2d(width, channels, 3, padding=1), torch.nn.ReLU()]
            width = channels
        target = layers[-1]
        layers.append(torch.nn.MaxPool2d(2))
    layers.append(torch.nn.Flatten())
    for width, units in ((7 * 7 * 512, 4096), (4096, 4096)):
        layers += [torch.nn.Linear(width, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4096, 1000)).eval(), target


NETWORK, TARGET = vgg16()
CAM = GradCAM(NETWORK, [TARGET])


def prepare_run(batch: int, classes: int) -> Run:
    """Prepare the explanation of a random batch; the returned function runs it once."""
    images = torch.tensor(random_pixels(batch)).permute(0, 3, 1, 2).contiguous()

    def run() -> None:
        for target in range(classes):
            CAM(images, [ClassifierOutputTarget(target)] * batch)

    return run


serve(prepare_run)
