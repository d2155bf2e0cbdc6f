"""Every method's formula in NumPy, on the two-layer network and without a framework."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seewhy.schemas.methods import ScoreKind

BLACK = -1.0
"""What the small networks take for black."""


@dataclass
class Network:
    """`networks.two_layer_cnn` in float64."""

    kernels: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: keras.Model) -> "Network":
        weights = {n: model.get_layer(n).get_weights() for n in ("conv1", "conv2", "fc", "scores")}
        return cls(
            {name: kernel.astype(np.float64) for name, (kernel, _) in weights.items()},
            {name: bias.astype(np.float64) for name, (_, bias) in weights.items()},
        )

    def body(self, pixels: np.ndarray) -> list[np.ndarray]:
        """(H, W, 3) to the outputs of both convolutions."""
        outputs = [pixels.astype(np.float64)]
        for name in ("conv1", "conv2"):
            windows = sliding_window_view(outputs[-1], (3, 3), axis=(0, 1))
            convolved = np.einsum("ijcyx,yxco->ijo", windows, self.kernels[name])
            outputs.append(np.maximum(convolved + self.biases[name], 0))
        return outputs[1:]

    def hidden(self, a: np.ndarray) -> np.ndarray:
        return a.reshape(-1) @ self.kernels["fc"] + self.biases["fc"]

    def head(self, a: np.ndarray) -> np.ndarray:
        return np.maximum(self.hidden(a), 0) @ self.kernels["scores"] + self.biases["scores"]

    def back(self, pixels: np.ndarray, pull: np.ndarray, *, guided: bool = False) -> np.ndarray:
        """The gradient of pull · logits with respect to the pixels, (H, W, 3)."""
        first, second = self.body(pixels)

        def through_relu(upstream: np.ndarray, output: np.ndarray) -> np.ndarray:
            passes = (output > 0) & (upstream > 0) if guided else output > 0
            return np.where(passes, upstream, 0)

        upstream = through_relu(self.kernels["scores"] @ pull, self.hidden(second))
        upstream = (self.kernels["fc"] @ upstream).reshape(second.shape)
        for name, output, given in (("conv2", second, first), ("conv1", first, pixels)):
            upstream = through_relu(upstream, output)
            below = np.zeros(given.shape)
            for y, x in np.ndindex(3, 3):
                height, width, _ = upstream.shape
                below[y : y + height, x : x + width] += upstream @ self.kernels[name][y, x].T
            upstream = below
        return upstream


@dataclass
class ByHand:
    """One picture through it."""

    network: Network
    pixels: np.ndarray
    a: np.ndarray
    """(h, w, C), of the second convolution."""
    jacobian: np.ndarray
    """(classes, h, w, C), the logits' gradients there."""
    logits: np.ndarray

    @classmethod
    def of(cls, model: keras.Model, pixels: np.ndarray) -> "ByHand":
        network = Network.of(model)
        a = network.body(pixels)[-1]
        open_ = (network.hidden(a) > 0)[:, None]
        jacobian = (network.kernels["fc"] @ (open_ * network.kernels["scores"])).T
        logits = network.head(a)
        return cls(network, pixels, a, jacobian.reshape(-1, *a.shape), logits)

    def pull(self, score: ScoreKind, c: int, logits: np.ndarray | None = None) -> np.ndarray:
        """The score's gradient with respect to the logits, (classes,)."""
        chosen = np.eye(len(self.logits))[c]
        if score == "logit":
            return chosen
        p = softmax(self.logits if logits is None else logits)
        return p[c] * (chosen - p)

    def gradient(self, score: ScoreKind, c: int) -> np.ndarray:
        return np.tensordot(self.pull(score, c), self.jacobian, 1)

    def slope(
        self, pixels: np.ndarray, score: ScoreKind, c: int, *, guided: bool = False
    ) -> np.ndarray:
        """The score's gradient with respect to any picture's pixels, (H, W, 3)."""
        logits = self.network.head(self.network.body(pixels)[-1])
        return self.network.back(pixels, self.pull(score, c, logits), guided=guided)

    def hessian_times_a(self, score: ScoreKind, c: int) -> np.ndarray:
        """The logits are linear around the picture, so only the softmax is curved."""
        if score == "logit":
            return np.zeros_like(self.a)
        p = softmax(self.logits)
        away = np.eye(len(p))[c] - p
        of_softmax = p[c] * (np.outer(away, away) - np.diag(p) + np.outer(p, p))
        along = np.tensordot(self.jacobian, self.a, 3)
        return np.tensordot(of_softmax @ along, self.jacobian, 1)

    def enlarged(self, map_: np.ndarray) -> np.ndarray:
        return cv2.resize(map_, self.pixels.shape[1::-1])


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def value(logits: np.ndarray, score: ScoreKind, c: int) -> float:
    return logits[c] if score == "logit" else softmax(logits)[c]


def gradcam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return (hand.gradient(score, c).mean(axis=(0, 1)) * hand.a).sum(axis=-1)


def plus_plus(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    g = hand.gradient(score, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = g**2 / (2 * g**2 + hand.a.sum(axis=(0, 1)) * g**3)
    share[g == 0] = 0
    return ((share * np.maximum(g, 0)).sum(axis=(0, 1)) * hand.a).sum(axis=-1)


def hirescam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return (hand.gradient(score, c) * hand.a).sum(axis=-1)


def layercam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return (np.maximum(hand.gradient(score, c), 0) * hand.a).sum(axis=-1)


def xgradcam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    share = hand.a / hand.a.sum(axis=(0, 1))
    return ((share * hand.gradient(score, c)).sum(axis=(0, 1)) * hand.a).sum(axis=-1)


def projected(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(-1, values.shape[-1])
    flat = flat - flat.mean(axis=0)
    map_ = flat @ np.linalg.svd(flat)[2][0]
    return (map_ * np.sign(map_ @ flat.sum(axis=1))).reshape(values.shape[:2])


def eigencam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return projected(hand.a)


def eigengradcam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return projected(hand.a * hand.gradient(score, c))


def shapleycam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    worth = hand.gradient(score, c) - 0.5 * hand.hessian_times_a(score, c)
    return (worth.mean(axis=(0, 1)) * hand.a).sum(axis=-1)


def contrast(hand: ByHand, score: ScoreKind, c: int, rivals: list[int]) -> np.ndarray:
    others = np.mean([gradcam(hand, score, rival) for rival in rivals], axis=0)
    return gradcam(hand, score, c) - others


def finercam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    nearest = sorted(range(len(hand.logits)), key=lambda d: abs(hand.logits[d] - hand.logits[c]))
    return contrast(hand, score, c, nearest[1:4])


def ablationcam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    losses = []
    for channel in range(hand.a.shape[-1]):
        without = hand.a.copy()
        without[..., channel] = 0
        left = value(hand.network.head(without), score, c)
        losses.append(value(hand.logits, score, c) - left)
    return hand.a @ np.array(losses)


def scorecam(hand: ByHand, score: ScoreKind, c: int, channels: int | None = None) -> np.ndarray:
    chosen = np.argsort(-hand.a.std(axis=(0, 1)))[:channels]
    scores = []
    for channel in chosen:
        mask = hand.enlarged(hand.a[..., channel])
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        seen = hand.network.body(hand.pixels * mask[..., None])[-1]
        scores.append(value(hand.network.head(seen), score, c))
    return hand.a[..., chosen] @ softmax(np.array(scores))


def smoothgrad(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((20, *hand.pixels.shape), np.float32)
    slopes = [hand.slope(hand.pixels + 0.15 * np.ptp(hand.pixels) * n, score, c) for n in noise]
    return np.abs(np.mean(slopes, axis=0)).max(axis=-1)


def integrated_gradients(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    """With the nodes of a rule of 32 points, from black to the picture."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    moved = hand.pixels - BLACK
    slopes = [hand.slope(BLACK + (1 + node) / 2 * moved, score, c) for node in nodes]
    return (moved * np.tensordot(weights / 2, slopes, 1)).sum(axis=-1)


def guided_backprop(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    return np.abs(hand.slope(hand.pixels, score, c, guided=True)).max(axis=-1)


def guided_gradcam(hand: ByHand, score: ScoreKind, c: int) -> np.ndarray:
    cam = np.maximum(hand.enlarged(gradcam(hand, score, c)), 0)
    return guided_backprop(hand, score, c) * cam


FORMULAS: dict[str, Callable[[ByHand, ScoreKind, int], np.ndarray]] = {
    "gradcam": gradcam,
    "gradcam++": plus_plus,
    "hirescam": hirescam,
    "layercam": layercam,
    "xgradcam": xgradcam,
    "eigencam": eigencam,
    "eigengradcam": eigengradcam,
    "shapleycam": shapleycam,
    "finercam": finercam,
    "ablationcam": ablationcam,
    "scorecam": scorecam,
    "faster-scorecam": partial(scorecam, channels=10),
    "smoothgrad": smoothgrad,
    "integrated-gradients": integrated_gradients,
    "guided-backprop": guided_backprop,
    "guided-gradcam": guided_gradcam,
}
