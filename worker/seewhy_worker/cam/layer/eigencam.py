"""Eigen-CAM."""

from types import ModuleType
from typing import Any


def eigencam(activation: Any, *, xp: ModuleType) -> Any:
    """Project the activation on its first principal component; the map depends on no class.

    L[m,i,j] = Σ_c X[m,i,j,c] · v[m,c], where X is A minus each channel's mean over space and v the
    first right singular vector of X as (h·w, C).

    Muhammad and Yeasin 2020, arXiv 2008.00299. The paper does not center A. We do, like the library
    pytorch-grad-cam, because a large mean hides the differences. The sign of a singular vector is
    arbitrary; we choose the one that correlates with the activation's sum over channels.
    `activation` is (M, h, w, C), the map (M, h, w).
    """
    return first_component(activation, xp=xp)


def first_component(values: Any, *, xp: ModuleType) -> Any:
    """Project (M, h, w, C) on its first principal component, (M, h, w).

    A non-finite row gives NaN and does not affect the other rows.
    """
    _, height, width, channels = values.shape
    cells = height * width
    finite = xp.all(xp.isfinite(values), axis=(1, 2, 3))[:, None]
    flat = xp.reshape(xp.where(finite[:, :, None, None], values, 0.0), (-1, cells, channels))
    # Scaled to a peak of 1, so that squares of small gradients do not underflow in float32.
    peak = xp.max(xp.abs(flat), axis=(1, 2), keepdims=True)
    peak = xp.where(peak == 0, 1.0, peak)
    centered = (flat - xp.mean(flat, axis=1, keepdims=True)) / peak
    if cells <= channels:
        # The smaller of the two Gram matrices has the same eigenvalues.
        eigenvalues, vectors = xp.linalg.eigh(xp.einsum("mac,mbc->mab", centered, centered))
        length = xp.sqrt(xp.maximum(eigenvalues[:, -1:], 0.0))
        projected = vectors[:, :, -1] * length
    else:
        _, vectors = xp.linalg.eigh(xp.einsum("mac,mad->mcd", centered, centered))
        projected = xp.einsum("mac,mc->ma", centered, vectors[:, :, -1])
    agreement = xp.sum(projected * xp.sum(centered, axis=2), axis=1, keepdims=True)
    signed = xp.where(agreement < 0, -projected, projected) * peak[:, :, 0]
    return xp.reshape(xp.where(finite, signed, float("nan")), (-1, height, width))
