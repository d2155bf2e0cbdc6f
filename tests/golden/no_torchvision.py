"""Import pytorch-grad-cam without torchvision, which is as large as PyTorch itself."""

import sys
from types import ModuleType

# The library needs these only for boxes and drawing.
IMPORTED = {
    "torchvision": (),
    "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
    "torchvision.transforms.functional": ("resize",),
}


def without_torchvision() -> None:
    """Install empty modules in its place. Call this before importing pytorch_grad_cam."""
    for name, attributes in IMPORTED.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(dict.fromkeys(attributes))
