"""Small networks as ONNX files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

SHAPE = "N,3,8,10"


def save_network(
    path: Path,
    nodes: str,
    arrays: Mapping[str, np.ndarray],
    *,
    shape: str = SHAPE,
    opset: int = 17,
) -> Path:
    """Write a network that computes `y` from the image `x`, and return `path`.

    `nodes` is in the textual form of ONNX; `arrays` are its constants.
    """
    model = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> '
        f"network (float[{shape}] x) => (float[] y) {{ {nodes} }}"
    )
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()
    )
    onnx.save(model, path)
    return path
