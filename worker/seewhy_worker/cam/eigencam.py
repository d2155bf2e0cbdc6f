"""Eigen-CAM."""

from types import ModuleType
from typing import Any


def eigencam(activation: Any, *, xp: ModuleType) -> Any:
    """Project the activation on its first principal component: what is most active, of any class.

    L[m,i,j] = Σ_c X[m,i,j,c] · v[m,c], where X is A less each channel's mean over space and v the
    first right singular vector of X as (h·w, C).

    Muhammad and Yeasin 2020, arXiv 2008.00299. The paper does not centre; we do, as the library
    pytorch-grad-cam does, or the mean may drown what differs. A singular vector's sign means
    nothing: ours makes the map agree with the activation's sum over channels.
    `activation` is (M, h, w, C), the map is (M, h, w).
    """
    return first_component(activation, xp=xp)


def first_component(values: Any, *, xp: ModuleType) -> Any:
    """Project (M, h, w, C) on its first principal component, (M, h, w).

    A row that is not finite gives NaN, and leaves the other rows alone.
    """
    _, height, width, channels = values.shape
    cells = height * width
    finite = xp.all(xp.isfinite(values), axis=(1, 2, 3))[:, None]
    flat = xp.reshape(xp.where(finite[:, :, None, None], values, 0.0), (-1, cells, channels))
    # To unit size, so that squares of small gradients do not vanish in float32.
    size = xp.max(xp.abs(flat), axis=(1, 2), keepdims=True)
    size = xp.where(size == 0, 1.0, size)
    centred = (flat - xp.mean(flat, axis=1, keepdims=True)) / size
    if cells <= channels:
        # The smaller of the two Gram matrices has the same eigenvalues.
        eigenvalues, vectors = xp.linalg.eigh(xp.einsum("mac,mbc->mab", centred, centred))
        length = xp.sqrt(xp.maximum(eigenvalues[:, -1:], 0.0))
        projected = vectors[:, :, -1] * length
    else:
        _, vectors = xp.linalg.eigh(xp.einsum("mac,mad->mcd", centred, centred))
        projected = xp.einsum("mac,mc->ma", centred, vectors[:, :, -1])
    agreement = xp.sum(projected * xp.sum(centred, axis=2), axis=1, keepdims=True)
    signed = xp.where(agreement < 0, -projected, projected) * size[:, :, 0]
    return xp.reshape(xp.where(finite, signed, float("nan")), (-1, height, width))
