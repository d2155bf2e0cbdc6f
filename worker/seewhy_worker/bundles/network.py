"""The network of a bundle that was read."""

from pathlib import Path

from seewhy_worker.bundles.contents import Contents
from seewhy_worker.bundles.store import NETWORK, WEIGHTS, BundleUnusable
from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.openvino_backend.compiled_model import CompiledModel
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.openvino_backend.joint_network import JointNetwork, read_model

HEADS_BYTES = 1_000_000_000
"""Compiled heads are kept up to this size of weights; each has one or two copies of its own."""
LEAST_HEADS = 2
"""Heads that are kept however large they are."""


class BundledNetwork:
    """Compiles the body and the heads of a bundle."""

    def __init__(self, contents: Contents, folder: Path, *, threads: int = 0) -> None:
        """Open the files of a bundle. Raises `BundleUnusable`."""
        try:
            model = read_model(folder / NETWORK)
        except ConversionFailed as error:
            raise BundleUnusable(f"OpenVINO cannot read it: {error}") from error
        self.contents = contents
        weights = (folder / WEIGHTS).stat().st_size
        self.heads_in_memory = max(LEAST_HEADS, HEADS_BYTES // max(1, weights))
        self._network = JointNetwork(
            model,
            cut_tensors=contents.cut_tensors,
            precision=contents.precision,
            threads=threads,
        )
        self._outputs = {
            head.kind: range(head.first_output, head.first_output + head.outputs)
            for head in contents.heads
        }

    @property
    def kinds(self) -> frozenset[Derivatives]:
        """What heads compute."""
        return frozenset(self._outputs)

    def compile_body(self, batch: int) -> CompiledModel:
        """Compile the pass from pixels to the tensors of the cut. Raises `OutOfMemory`."""
        return self._network.body(batch)

    def compile_head(self, kind: Derivatives) -> CompiledModel:
        """Compile the head that computes `kind`. Raises `OutOfMemory`."""
        return self._network.head(self._outputs[kind])
