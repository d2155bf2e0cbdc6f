"""What methods of one pass need to know about a network: scores and their derivatives."""

from dataclasses import dataclass
from typing import Literal, Self

from seewhy.schemas.methods import RequestedScore, ScoreKind
from seewhy_worker.cam.methods import Method

Order = Literal[0, 1, 2]

_ORDERS: dict[str, Order] = {"activation": 0, "gradient": 1, "curvature": 2}


@dataclass(frozen=True, slots=True)
class Derivatives:
    """The derivatives of a score with respect to the target layer. Methods share them."""

    score: RequestedScore
    order: Order
    """0: none; 1: the gradient; 2: the Hessian times the activation, too."""
    chooses_rivals: bool = False
    """Whether the rivals are those of Finer-CAM, whatever the targets say."""

    @classmethod
    def of(cls, method: Method, score: ScoreKind) -> Self:
        """Return what a method of one pass needs to explain this kind of score."""
        order = _ORDERS[method.needs]
        # A value is explained as a logit is.
        explained: RequestedScore = "probability" if order and score == "probability" else "logit"
        return cls(explained, order, method.choose_rivals is not None)


_CHOICES: tuple[tuple[Order, bool], ...] = ((1, False), (1, True), (2, False))
_SCORES: tuple[RequestedScore, ...] = ("logit", "probability")

ALL_DERIVATIVES = (
    Derivatives("logit", 0),
    *(Derivatives(score, *choice) for score in _SCORES for choice in _CHOICES),
)
"""What all methods of one pass and all kinds of scores need."""
