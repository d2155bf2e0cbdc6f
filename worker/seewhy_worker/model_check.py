"""`python -m seewhy_worker.model_check FILE`: whether and how a model file can be explained."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import SeewhyError
from seewhy.imaging.maps import map_verdict
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.steps import StepOutput, compile_step, use_memory_as_needed
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.graph import output_names
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.randomness import scramble
from seewhy_worker.models.splitting import SplitModel, split

OPEN_SIZE = (224, 224)
"""The (height, width) that a network of open size is tried at, in pixels."""
ALIKE = 0.9
"""Two maps with at least this correlation show the same."""


def check(path: Path, *, layer: str | None = None, output: str | None = None) -> list[str]:
    """Explain noise by the model in the file, and again with its weights scrambled.

    Returns lines to read. A map that survives the scrambling does not come from what the network
    has learned: Adebayo et al. 2018, arXiv 1810.03292. Raises `UnsupportedModel`.
    """
    model = load_file(path)
    parts = split(model, layer, output=output, size=OPEN_SIZE)
    pixels = np.random.default_rng(0).standard_normal((1, *parts.input_shape), np.float32)
    raw = _explain(parts, pixels, target=-1)
    target = int(raw.targets[0, 0])
    lines = [*_described(model, parts), _explained(raw)]
    scramble(model, seed=1)
    scrambled = split(model, layer, output=output, size=OPEN_SIZE)
    return [*lines, _compared(raw.maps, _explain(scrambled, pixels, target=target).maps)]


def main() -> None:
    """Check the file named on the command line; a refusal is one sentence and status 1."""
    file, *names = sys.argv[1:]
    layer, output = (*names, "", "")[:2]
    use_memory_as_needed()
    try:
        lines = check(Path(file), layer=layer or None, output=output or None)
    except SeewhyError as error:
        sys.exit(f"seewhy: {error}")
    sys.stdout.write("\n".join(lines) + "\n")


def _described(model: Any, parts: SplitModel) -> list[str]:
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    outputs = zip(output_names(model), shapes, strict=True)
    return [
        f"input: {tuple(model.inputs[0].shape)}, explained at {parts.input_shape}",
        *(f"output: {name} {shape}" for name, shape in outputs),
        *(f"candidate: {one.call.path} {one.shape}" for one in parts.candidates),
        f"layer: {parts.layer}",
        f"activation cut off: {parts.activation}",
        f"classes: {parts.classes}, probabilities by {parts.scoring}",
    ]


def _explained(raw: StepOutput) -> str:
    health = map_verdict(raw.maps[0, 0], gradient_peak=float(raw.gradient_peak[0, 0]))
    return (
        f"explanation of noise: class {raw.targets[0, 0]}, {health}, from "
        f"{raw.maps.min():.3g} to {raw.maps.max():.3g}"
    )


def _explain(parts: SplitModel, pixels: NDArray[np.float32], *, target: int) -> StepOutput:
    step = compile_step(parts, find_method("gradcam"), batch=1, targets=1, rivals=0)
    return step(
        pixels,
        TargetTensors(
            np.array([[target]], np.int32),
            np.zeros((1, 1, 0), np.int32),
            np.ones((1, 1), np.float32),
        ),
    )


def _compared(map_: NDArray[np.float32], scrambled: NDArray[np.float32]) -> str:
    spread = float(map_.std() * scrambled.std())
    if spread == 0 or not np.isfinite(spread):
        return "weights scrambled: a map is constant or not finite, and cannot be compared"
    together = float(np.corrcoef(map_.ravel(), scrambled.ravel())[0, 1])
    if together >= ALIKE:
        return (
            f"WARNING: with its weights scrambled the map stays (correlation {together:.2f}): it "
            "does not show what the network has learned; choose another layer"
        )
    return f"weights scrambled: the map changes (correlation {together:.2f})"


if __name__ == "__main__":
    main()
