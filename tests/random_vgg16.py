"""A catalog with VGG16 and random weights, so that nothing is downloaded."""

from pathlib import Path

MODEL = "vgg16-random"
CATALOG = """
[vgg16-random]
source = "keras.applications:VGG16"
weights = { random_seed = 7 }
input = { height_px = 224, width_px = 224 }
preprocessing = { kind = "vgg16" }
labels_file = "labels.txt"
layer = "block5_conv3"
"""


def write_catalog(folder: Path) -> Path:
    """Write the catalog and its labels, `class 0` to `class 999`; return its path."""
    (folder / "labels.txt").write_text("\n".join(f"class {n}" for n in range(1000)))
    catalog = folder / "models.toml"
    catalog.write_text(CATALOG)
    return catalog
