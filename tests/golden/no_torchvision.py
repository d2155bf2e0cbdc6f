"""pytorch-grad-cam without torchvision, which is as large as PyTorch itself."""

import sys
from types import ModuleType

# The library imports these for boxes and for drawing alone.
IMPORTED = {
    "torchvision": (),
    "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
    "torchvision.transforms.functional": ("resize",),
}


def without_torchvision() -> None:
    """Stand empty modules in for it. Call before pytorch_grad_cam is imported."""
    for name, attributes in IMPORTED.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(dict.fromkeys(attributes))
