"""Write the bundle of a model that TensorFlow has loaded, after a comparison with its maps."""

import logging
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.targets import Target
from seewhy_worker.bundles.contents import Contents, StoredFacts, StoredHead
from seewhy_worker.bundles.identity import bundle_identity, why_no_bundle
from seewhy_worker.bundles.network import BundledNetwork
from seewhy_worker.bundles.store import (
    NETWORK,
    WEIGHTS,
    BundleStore,
    BundleUnusable,
    write_contents,
)
from seewhy_worker.cam.derivatives import ALL_DERIVATIVES, Derivatives
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.calibration_images import calibration_images
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.memory.process_memory import release_memory
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.openvino_backend.derivative_head import DerivativeHead
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.openvino_backend.joint_conversion import RESOLVED_OUTPUTS, convert_jointly
from seewhy_worker.openvino_backend.joint_network import write_model
from seewhy_worker.ports.heads import HeadOutput, HeadSpec
from seewhy_worker.ports.precision import Precision
from seewhy_worker.ports.targets import TargetTensors

TOLERANCE = 1e-4
"""How much a map of a bundle may differ from TensorFlow's, relative to its largest magnitude."""
BODY_TOLERANCE: Mapping[Precision, float] = {"float32": 1e-4, "bfloat16": 2e-2}
"""Likewise for the activations, which the body of the worker that writes has computed."""
IMAGES = 2
"""On how many images maps are compared."""

_METHODS = {
    (0, False): "eigencam",
    (1, False): "hirescam",
    (1, True): "finercam",
    (2, False): "shapleycam",
}
"""A method for each kind of head, whose map shows every derivative."""
_COUNT, _RIVALS = 2, 1
_TARGETS = TargetTensors.pad(
    [(Target(index=-1), Target(index=-2, rivals=(-1,)))], 1, _COUNT, _RIVALS
)

_log = logging.getLogger(__name__)


def write_bundle(
    store: BundleStore, spec: ModelSpec, *, engine: EngineChoice, graphs: GraphCache
) -> None:
    """Write the bundle of a model, for workers with this setting of the engine.

    Heads whose maps differ from those of `graphs` are left out. Raises `BundleUnusable` when the
    model cannot be bundled, `OutOfMemory` and `OSError`.
    """
    if reason := why_no_bundle(spec):
        raise BundleUnusable(reason)
    precision = graphs.openvino_precision
    if precision is None:
        raise BundleUnusable(f"{graphs.engine} computes it")
    started_s = time.perf_counter()
    model, kinds = _convert(graphs)
    cut_tensors = len(graphs.model_at(()).first_cut.tensors)
    contents = Contents(
        facts=_stored_facts(graphs),
        engine=graphs.engine,
        precision=precision,
        cut_tensors=cut_tensors,
        heads=_stored_heads(kinds, first_output=cut_tensors),
        sha256={},
    )
    with store.writing(spec.name, bundle_identity(spec, engine)) as folder:
        write_model(model, folder / NETWORK, folder / WEIGHTS)
        del model
        network = BundledNetwork(contents, folder)
        agreeing, worst = _compare(network, graphs, _images(spec))
        heads = tuple(head for head in contents.heads if head.kind in agreeing)
        write_contents(folder, contents.model_copy(update={"heads": heads}))
    del network
    release_memory()
    _log.info(
        "Wrote a bundle of %s in %.1f s: %d heads, whose maps differ by %.1g of their largest "
        "magnitude at most",
        spec.name,
        time.perf_counter() - started_s,
        len(heads),
        worst,
    )


def _images(spec: ModelSpec) -> list[NDArray[np.float32]]:
    images = islice(calibration_images(spec), 1, 1 + IMAGES)  # the first comes twice
    return [prepare(image, spec)[0] for image in images]


def _convert(graphs: GraphCache) -> tuple[Any, tuple[Derivatives, ...]]:
    """Return the joint model, with the heads that OpenVINO can compute, and what these compute."""
    model = graphs.model_at(())
    body = graphs.body([()], 1)
    first_order = tuple(
        kind for kind in ALL_DERIVATIVES if kind.order < 2 and not kind.chooses_rivals
    )
    reason = ""
    has_probabilities = model.probability_function != "none"
    for candidates in (ALL_DERIVATIVES, first_order):
        kinds = tuple(one for one in candidates if has_probabilities or one.score == "logit")
        try:
            return convert_jointly(model, body.cuts[model.cut_name], kinds), kinds
        except ConversionFailed as error:
            reason = str(error)
    raise BundleUnusable(reason)


def _stored_heads(kinds: Sequence[Derivatives], *, first_output: int) -> tuple[StoredHead, ...]:
    heads = []
    for kind in kinds:
        outputs = RESOLVED_OUTPUTS + kind.order
        heads.append(
            StoredHead(
                score=kind.score,
                order=kind.order,
                chooses_rivals=kind.chooses_rivals,
                first_output=first_output,
                outputs=outputs,
            )
        )
        first_output += outputs
    return tuple(heads)


def _stored_facts(graphs: GraphCache) -> StoredFacts:
    return StoredFacts.model_validate(graphs.model_at(()), from_attributes=True)


def _compare(
    network: BundledNetwork, graphs: GraphCache, images: Sequence[NDArray[np.float32]]
) -> tuple[frozenset[Derivatives], float]:
    """Return the heads whose maps are those of TensorFlow, and the worst difference of these.

    Raises `BundleUnusable` when the activations or the maps of Grad-CAM differ.
    """
    body, reference = network.compile_body(1), graphs.body([()], 1)
    pixels = [image[np.newaxis] for image in images]
    cuts = [next(iter(reference(one).values())) for one in pixels]
    for one, cut in zip(pixels, cuts, strict=True):
        difference = max(map(_difference, body(one), cut))
        if difference > BODY_TOLERANCE[network.contents.precision]:
            raise BundleUnusable(f"its activations differ by {difference:.1g}")
    differences = {}
    for kind in network.kinds:  # one head at a time, because each has a copy of the weights
        method = _METHODS[kind.order, kind.chooses_rivals]
        own = DerivativeHead(network.compile_head(kind), kind, find_method(method))
        head = graphs.head(HeadSpec(method, kind.score, (), 1, _COUNT, _RIVALS, 1))
        found = [
            (own(cut, one, _TARGETS), head(cut, one, _TARGETS))
            for one, cut in zip(pixels, cuts, strict=True)
        ]
        differences[kind] = max(_output_difference(*outputs) for outputs in found)
    agreeing = {kind: each for kind, each in differences.items() if each <= TOLERANCE}
    for kind, each in differences.items():
        if kind not in agreeing:
            _log.info("Left out of the bundle: %s, whose maps differ by %.1g", kind, each)
    if not {Derivatives("logit", 0), Derivatives("logit", 1)} <= agreeing.keys():
        raise BundleUnusable(f"its maps differ by {max(differences.values()):.1g}")
    return frozenset(agreeing), max(agreeing.values())


def _output_difference(one: HeadOutput, other: HeadOutput) -> float:
    """Return how much maps differ, by their largest magnitude; infinity for other classes."""
    same_targets = np.array_equal(one.targets, other.targets)
    if not same_targets or not np.array_equal(one.rivals, other.rivals):
        return float("inf")
    return _difference(one.maps, other.maps)


def _difference(one: Any, other: Any) -> float:
    """Return the largest difference of two arrays, by the largest magnitude of the second."""
    expected = np.asarray(other, np.float32)
    peak = float(np.abs(expected).max())
    difference = float(np.abs(np.asarray(one, np.float32) - expected).max())
    return difference / peak if peak else difference
