"""Reference formulas: every method in plain NumPy, on the two-layer network of `networks`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seewhy.schemas.methods import ScoreKind

BLACK = -1.0
"""A black pixel after the preprocessing of the small networks."""


@dataclass
class Network:
    """`networks.two_layer_cnn` in float64."""

    kernels: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: keras.Model) -> "Network":
        """Copy the weights of a Keras model."""
        weights = {n: model.get_layer(n).get_weights() for n in ("conv1", "conv2", "fc", "scores")}
        return cls(
            {name: kernel.astype(np.float64) for name, (kernel, _) in weights.items()},
            {name: bias.astype(np.float64) for name, (_, bias) in weights.items()},
        )

    def body(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of both convolutions for (H, W, 3)."""
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

    def backpropagate(
        self, pixels: np.ndarray, upstream_logits: np.ndarray, *, guided: bool = False
    ) -> np.ndarray:
        """Return the gradient of upstream_logits · logits with respect to the pixels, (H, W, 3)."""
        first, second = self.body(pixels)

        def through_relu(upstream: np.ndarray, output: np.ndarray) -> np.ndarray:
            passes = (output > 0) & (upstream > 0) if guided else output > 0
            return np.where(passes, upstream, 0)

        upstream = through_relu(self.kernels["scores"] @ upstream_logits, self.hidden(second))
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
class ReferenceImage:
    """One image with its activation, gradients and logits."""

    network: Network
    pixels: np.ndarray
    a: np.ndarray
    """(h, w, C), the output of the second convolution."""
    jacobian: np.ndarray
    """(classes, h, w, C), the gradients of the logits with respect to `a`."""
    logits: np.ndarray

    @classmethod
    def of(cls, model: keras.Model, pixels: np.ndarray) -> "ReferenceImage":
        """Run pixels (H, W, 3) through the model."""
        network = Network.of(model)
        a = network.body(pixels)[-1]
        active = (network.hidden(a) > 0)[:, None]
        jacobian = (network.kernels["fc"] @ (active * network.kernels["scores"])).T
        logits = network.head(a)
        return cls(network, pixels, a, jacobian.reshape(-1, *a.shape), logits)

    def score_gradient(
        self, score: ScoreKind, c: int, logits: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the gradient of the score with respect to the logits, (classes,)."""
        one_hot = np.eye(len(self.logits))[c]
        if score == "logit":
            return one_hot
        p = softmax(self.logits if logits is None else logits)
        return p[c] * (one_hot - p)

    def gradient(self, score: ScoreKind, c: int) -> np.ndarray:
        return np.tensordot(self.score_gradient(score, c), self.jacobian, 1)

    def pixel_gradient(
        self, pixels: np.ndarray, score: ScoreKind, c: int, *, guided: bool = False
    ) -> np.ndarray:
        """Return the gradient of the score with respect to the pixels, (H, W, 3)."""
        logits = self.network.head(self.network.body(pixels)[-1])
        return self.network.backpropagate(
            pixels, self.score_gradient(score, c, logits), guided=guided
        )

    def hessian_times_a(self, score: ScoreKind, c: int) -> np.ndarray:
        """Return H·A; the logits are piecewise linear, so only the softmax has curvature."""
        if score == "logit":
            return np.zeros_like(self.a)
        p = softmax(self.logits)
        delta = np.eye(len(p))[c] - p
        softmax_hessian = p[c] * (np.outer(delta, delta) - np.diag(p) + np.outer(p, p))
        directional = np.tensordot(self.jacobian, self.a, 3)
        return np.tensordot(softmax_hessian @ directional, self.jacobian, 1)

    def resized(self, map_: np.ndarray) -> np.ndarray:
        return cv2.resize(map_, self.pixels.shape[1::-1])


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def score_value(logits: np.ndarray, score: ScoreKind, c: int) -> float:
    return logits[c] if score == "logit" else softmax(logits)[c]


def gradcam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return (image.gradient(score, c).mean(axis=(0, 1)) * image.a).sum(axis=-1)


def gradcam_plus_plus(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    g = image.gradient(score, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = g**2 / (2 * g**2 + image.a.sum(axis=(0, 1)) * g**3)
    share[g == 0] = 0
    return ((share * np.maximum(g, 0)).sum(axis=(0, 1)) * image.a).sum(axis=-1)


def hirescam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return (image.gradient(score, c) * image.a).sum(axis=-1)


def layercam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return (np.maximum(image.gradient(score, c), 0) * image.a).sum(axis=-1)


def xgradcam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    share = image.a / image.a.sum(axis=(0, 1))
    return ((share * image.gradient(score, c)).sum(axis=(0, 1)) * image.a).sum(axis=-1)


def project(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(-1, values.shape[-1])
    flat = flat - flat.mean(axis=0)
    map_ = flat @ np.linalg.svd(flat)[2][0]
    return (map_ * np.sign(map_ @ flat.sum(axis=1))).reshape(values.shape[:2])


def eigencam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return project(image.a)


def eigengradcam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return project(image.a * image.gradient(score, c))


def shapleycam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    weights = image.gradient(score, c) - 0.5 * image.hessian_times_a(score, c)
    return (weights.mean(axis=(0, 1)) * image.a).sum(axis=-1)


def contrast(image: ReferenceImage, score: ScoreKind, c: int, rivals: list[int]) -> np.ndarray:
    others = np.mean([gradcam(image, score, rival) for rival in rivals], axis=0)
    return gradcam(image, score, c) - others


def finercam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    nearest = sorted(range(len(image.logits)), key=lambda d: abs(image.logits[d] - image.logits[c]))
    return contrast(image, score, c, nearest[1:4])


def ablationcam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    losses = []
    for channel in range(image.a.shape[-1]):
        without = image.a.copy()
        without[..., channel] = 0
        ablated_score = score_value(image.network.head(without), score, c)
        losses.append(score_value(image.logits, score, c) - ablated_score)
    return image.a @ np.array(losses)


def scorecam(
    image: ReferenceImage, score: ScoreKind, c: int, channels: int | None = None
) -> np.ndarray:
    chosen = np.argsort(-image.a.std(axis=(0, 1)))[:channels]
    scores = []
    for channel in chosen:
        mask = image.resized(image.a[..., channel])
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        masked = image.network.body(image.pixels * mask[..., None])[-1]
        scores.append(score_value(image.network.head(masked), score, c))
    return image.a[..., chosen] @ softmax(np.array(scores))


def smoothgrad(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((20, *image.pixels.shape), np.float32)
    gradients = [
        image.pixel_gradient(image.pixels + 0.15 * np.ptp(image.pixels) * n, score, c)
        for n in noise
    ]
    return np.abs(np.mean(gradients, axis=0)).max(axis=-1)


def integrated_gradients(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    """Integrate from black to the image with the 32-point Gauss-Legendre rule."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    difference = image.pixels - BLACK
    gradients = [
        image.pixel_gradient(BLACK + (1 + node) / 2 * difference, score, c) for node in nodes
    ]
    return (difference * np.tensordot(weights / 2, gradients, 1)).sum(axis=-1)


def guided_backprop(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    return np.abs(image.pixel_gradient(image.pixels, score, c, guided=True)).max(axis=-1)


def guided_gradcam(image: ReferenceImage, score: ScoreKind, c: int) -> np.ndarray:
    cam = np.maximum(image.resized(gradcam(image, score, c)), 0)
    return guided_backprop(image, score, c) * cam


FORMULAS: dict[str, Callable[[ReferenceImage, ScoreKind, int], np.ndarray]] = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
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
