"""Convert an ONNX file to a `.keras` file, compare both, and describe the result."""

import hashlib
import json
import tempfile
from pathlib import Path

import keras

from seewhy.catalog.model_files import name_of_model
from seewhy.errors import UnsupportedModel
from seewhy_worker.conversion.build import build_model
from seewhy_worker.conversion.graph.nodes import read_graph
from seewhy_worker.conversion.verification import IMAGES, compare
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import SplitModel, split

_ENTRY = """\
[{name}]
source = {file}
sha256 = "{digest}"
input = {{ height_px = {height_px}, width_px = {width_px} }}
{preprocessing}
labels_file = "labels.txt"            # one name per line, in index order: {classes} lines
layer = {layer}\
"""
_RGB = """\
# What the network was trained with. These are the mean and deviation of ImageNet, which most
# networks of PyTorch expect; a network that takes RGB from 0 to 1 has mean = 0.0, std = 255.0.
preprocessing = { kind = "scale", mean = [123.675, 116.28, 103.53], std = [58.395, 57.12, 57.375] }\
"""
_GRAY = """\
channels = "luma"                     # or the weights of red, green and blue
# What the network was trained with, here gray from 0 to 1.
preprocessing = { kind = "scale", mean = 0.0, std = 255.0 }\
"""


def convert_file(
    path: Path,
    out: Path,
    *,
    size: tuple[int, int] | None = None,
    overwrite: bool = False,
    memory_bytes: int,
) -> list[str]:
    """Write the network in an ONNX file as a `.keras` file; return the lines of a report.

    `size` is the (height, width) in pixels for a file that leaves them open. The file is written
    only if it loads safely within `memory_bytes`, can be explained and gives the scores that ONNX
    Runtime computes. Raises `UnsupportedModel` with the reason, and `MemoryError`.
    """
    if out.suffix != ".keras":
        raise UnsupportedModel(f"{out.name!r} is no model file: choose a name that ends in .keras.")
    if out.exists() and not overwrite:
        raise UnsupportedModel(f"{out} exists: choose another name, or add --overwrite.")
    graph = read_graph(path)
    model = build_model(graph, size=size)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".converting-") as folder:
            staged = Path(folder) / out.name
            model.save(staged)
            loaded = load_file(staged, memory_bytes=memory_bytes)
            difference = compare(loaded, path, graph)
            output = _first(loaded)
            explained = split(loaded, output=output)
            with staged.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            staged.replace(out)
    except OSError as error:
        raise UnsupportedModel(f"cannot write {out}: {error.strerror}") from error
    return _report(out, digest, explained, output=output, difference=difference)


def _first(model: keras.Model) -> str | None:
    """Name the first output, if there are several."""
    return model.output_names[0] if len(model.outputs) > 1 else None


def _report(
    out: Path, digest: str, explained: SplitModel, *, output: str | None, difference: float
) -> list[str]:
    height_px, width_px, channels = explained.input_shape
    entry = _ENTRY.format(
        name=name_of_model(out),
        file=json.dumps(out.name, ensure_ascii=False),
        digest=digest,
        height_px=height_px,
        width_px=width_px,
        preprocessing=_RGB if channels == 3 else _GRAY,
        classes=explained.classes,
        layer=json.dumps(explained.layer, ensure_ascii=False),
    )
    return [
        f"{out}: {explained.classes} classes",
        f"largest difference from the ONNX file: {difference:.1e} of the largest score, "
        f"for {IMAGES} images of noise",
        f"target layer: {explained.layer}, {' x '.join(map(str, explained.map_shape))}, "
        f"because {explained.layer_reason}",
        "",
        *entry.splitlines(),
        *([f"output = {json.dumps(output, ensure_ascii=False)}"] if output else []),
    ]
