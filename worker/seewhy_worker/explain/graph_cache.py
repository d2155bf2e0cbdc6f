"""A cache of compiled bodies and heads: compiled on first use, bounded by memory."""

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.engines import Engine, EngineBody
from seewhy_worker.explain.references import embed_pixels
from seewhy_worker.keras_backend.bodies import (
    Body,
    CutSpec,
    compile_forward,
    for_batch,
    stack_activations,
)
from seewhy_worker.keras_backend.devices import engine_name
from seewhy_worker.keras_backend.head_context import Passes
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.cuts import Activation, CutTensors
from seewhy_worker.ports.failures import EngineFailed
from seewhy_worker.ports.heads import Head, HeadSpec
from seewhy_worker.ports.precision import Precision
from seewhy_worker.ports.scoring import Scoring

_log = logging.getLogger(__name__)

MAX_BODIES = 48
"""Six batch sizes at four layers, and at four combinations of layers."""
MAX_HEADS = 96
"""A head of VGG16 takes about 2 MB; one method at all batch sizes needs six heads."""
MAX_SPLITS = 64
"""The splits at combinations of layers that requests have named."""

MAX_EMBEDDINGS = 64
"""Of the reference images that requests have named."""


class GraphCache:
    """Implements `seewhy_worker.ports.graphs.Graphs` with TensorFlow.

    It keeps the most recently used bodies and heads, and the model's splits.
    """

    def __init__(
        self,
        *,
        model: SplitModel,
        black: NDArray[np.float32],
    ) -> None:
        """Compile graphs of `model`, and of its network split at other layers.

        TensorFlow computes the bodies until `use` is called. `black` is a black image after
        preprocessing, (H, W, 3).
        """
        self._model = model
        self._engine: Engine = TensorFlowEngine()
        self._split = lru_cache(maxsize=MAX_SPLITS)(model.at)
        self._by_cut: dict[str, SplitModel] = {}
        self._cuts: dict[str, CutSpec] = {}
        """The shapes and types of each cut that a body goes to, by its name."""
        self._black = black
        self._inputs: Hashable = ()
        self._embeddings: LRUCache[tuple[bytes, Hashable], NDArray[np.float32]] = LRUCache(
            MAX_EMBEDDINGS
        )
        self.head = lru_cache(maxsize=MAX_HEADS)(self._compile_head)
        self.forward = lru_cache(self._compile_forward)
        self._body = lru_cache(maxsize=MAX_BODIES)(self._compile_body)

    @property
    def engine(self) -> str:
        """The name of the engine that computes the bodies."""
        return self._engine.name

    @property
    def openvino_precision(self) -> Precision | None:
        """In which precision OpenVINO computes the bodies; None if another engine does."""
        return self._engine.openvino_precision

    def use(self, engine: Engine) -> None:
        """Let `engine` compute the bodies, and the passes of heads that are not yet compiled."""
        self._engine = engine
        self._body.cache_clear()
        self.forward.cache_clear()

    def set_inputs(self, values: Mapping[str, Sequence[float]]) -> None:
        """Use these values of all inputs beside the image. Raises `UnsupportedModel`."""
        self._model.network.set_inputs(values)
        self._inputs = tuple((name, tuple(numbers)) for name, numbers in sorted(values.items()))

    def set_scoring(self, scoring: Scoring) -> None:
        """Score as `scoring` says from now on, in rescored heads.

        Raises `InvalidRequest` when nothing can be compared with the reference.
        """
        embedding = (
            None if scoring.reference is None else self._embed(scoring.reference, scoring.key)
        )
        self._model.network.scoring.set(selection=scoring.selection, reference=embedding)

    def _embed(self, pixels: NDArray[np.float32], key: bytes) -> NDArray[np.float32]:
        """Compute an embedding, or return a kept one of the same pixels and inputs."""
        kept = self._embeddings.get((key, self._inputs))
        if kept is None:
            kept = embed_pixels(pixels, self._model)
            self._embeddings[key, self._inputs] = kept
        return kept

    def model_at(self, layers: tuple[str, ...]) -> SplitModel:
        """Return the model split at these layers. Raises `UnsupportedModel`."""
        return self._model if layers in {(), self._model.layers} else self._split(layers)

    def cut_name(self, layers: tuple[str, ...]) -> str:
        """Return the name of the cut at the first of these layers. Raises `UnsupportedModel`."""
        model = self.model_at(layers)
        self._by_cut.setdefault(model.cut_name, model)
        return model.cut_name

    def body(self, splits: Iterable[tuple[str, ...]], batch: int) -> EngineBody:
        """Return the body to the cut of each of these splits. Raises `UnsupportedModel`."""
        return self._body(tuple(sorted({self.cut_name(layers) for layers in splits})), batch)

    def body_engine(self, splits: Iterable[tuple[str, ...]], batch: int) -> str:
        """Return what computes `body` of the same arguments, with its version and precision."""
        return engine_name() if type(self.body(splits, batch)) is Body else self._engine.name

    def head_engines(self, spec: HeadSpec) -> tuple[str, ...]:
        """Return what computes the passes of a head through the body, with versions."""
        method = find_method(spec.method)
        if method.needs in {"pixels", "guided"}:
            return (engine_name(),)
        if method.needs != "masked":
            return ()
        engine = self.body_engine([()], spec.chunk_size)
        ranks = self._passes(spec).ranks_from_pixels(method)
        return (engine, engine_name()) if ranks else (engine,)

    def stack(self, activations: Sequence[Activation], batch: int) -> CutTensors:
        """Return the rows as one cut of `batch` images, filled up with zeros."""
        return stack_activations(activations, batch)

    def _compile_body(self, names: tuple[str, ...], batch: int) -> EngineBody:
        models = [self._by_cut[name] for name in names]
        body: EngineBody
        try:
            body = self._engine.body(*models, batch=batch)
        except EngineFailed as error:
            _log.warning("TensorFlow computes the body to %s: %s", " and ".join(names), error)
            body = Body(*models, batch=batch)
        self._cuts |= body.cuts
        return body

    def _compile_forward(
        self, batch: int, *, rescored: bool = False
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Compile the pass with the current scoring; rescored passes are kept apart."""
        body = self.body([()], batch)
        return compile_forward(self._model, body, body.cuts[self._model.cut_name])

    def _compile_head(self, spec: HeadSpec) -> Head:
        name = self.cut_name(spec.layers)
        if name not in self._cuts:
            self.body([spec.layers], spec.batch)
        return compile_head(
            self.model_at(spec.layers),
            find_method(spec.method),
            score=spec.score,
            cut=for_batch(self._cuts[name], spec.batch),
            targets=spec.targets,
            rivals=spec.rivals,
            passes=self._passes(spec),
            black=self._black,
        )

    def _passes(self, spec: HeadSpec) -> Passes:
        return Passes(
            spec.chunk_size,
            None if self._engine.is_default else partial(self.forward, rescored=spec.rescored),
            rounds=self._engine.rounds,
        )
