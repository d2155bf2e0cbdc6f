"""Compare a converted model with the file that it was made from."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from seewhy.errors import UnsupportedModel
from seewhy_worker.conversion.graph.nodes import OnnxGraph

IMAGES = 2
TOLERANCE = 1e-4
"""The largest difference of two scores, by the largest score."""


def compare(model: keras.Model, path: Path, graph: OnnxGraph) -> float:
    """Return the largest difference of the outputs for noise, by the largest output.

    ONNX Runtime computes what the file says. Raises `UnsupportedModel` when the difference is
    above `TOLERANCE`, or when ONNX Runtime refuses the file.
    """
    shape = (IMAGES, *model.inputs[0].shape[1:])
    pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = _run_file(path, graph, pixels)
    found = keras.tree.flatten(model(pixels))
    difference = max(
        _difference(np.asarray(one), other) for one, other in zip(found, expected, strict=True)
    )
    if not difference <= TOLERANCE:
        raise UnsupportedModel(
            f"the converted model differs from {path.name} by {difference:.2g} of the largest "
            "score, so it was not written. Please report this with the file, if it can be shared."
        )
    return difference


def _run_file(path: Path, graph: OnnxGraph, pixels: NDArray[np.float32]) -> list[NDArray[Any]]:
    """Run the file for one image after the other: it may allow no other batch."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is reported by an exception
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        channels = pixels.shape[-1]
        images = pixels if graph.shape[1] != channels else pixels.transpose(0, 3, 1, 2)
        runs = [session.run(None, {graph.input: image[np.newaxis]}) for image in images]
    except Exception as error:  # its errors have no common class
        raise UnsupportedModel(f"ONNX Runtime cannot run {path.name}") from error
    return [np.concatenate(arrays) for arrays in zip(*runs, strict=True)]


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(found - expected).max()) / scale
