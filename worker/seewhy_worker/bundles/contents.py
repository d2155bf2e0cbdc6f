"""What a bundle says about itself, in `contents.json`."""

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.methods import RequestedScore
from seewhy_worker.cam.derivatives import Derivatives, Order
from seewhy_worker.ports.model_facts import ProbabilityFunction, ReceptiveField
from seewhy_worker.ports.precision import Precision


class StoredFacts(StoredModel):
    """Implements `seewhy_worker.ports.model_facts.ModelFacts`."""

    layers: tuple[str, ...]
    cut_name: str
    map_shape: tuple[int, int]
    input_shape: tuple[int, int, int]
    classes: int
    score_grid: tuple[int, int] | None
    probability_function: ProbabilityFunction
    receptive_field: ReceptiveField | None

    @property
    def layer(self) -> str:
        """The target layers for display, joined by " + "."""
        return " + ".join(self.layers)


class StoredHead(StoredModel):
    """One of the heads in the network of a bundle: a range of its outputs."""

    score: RequestedScore
    order: Order
    chooses_rivals: bool
    first_output: int
    outputs: int

    @property
    def kind(self) -> Derivatives:
        """What the head computes."""
        return Derivatives(self.score, self.order, self.chooses_rivals)


class Contents(StoredModel):
    """The description of a bundle.

    The network's inputs are the pixels, the tensors of the cut, and classes, rivals and signs of
    the targets. Its outputs are the tensors of the cut, and those of each head.
    """

    facts: StoredFacts
    engine: str
    """The engine's name, version and precision."""
    precision: Precision
    """The precision of the body; heads compute in float32."""
    cut_tensors: int
    heads: tuple[StoredHead, ...]
    sha256: dict[str, str]
    """The digest of each other file, by its name."""
