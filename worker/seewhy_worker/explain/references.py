"""The embeddings of the reference images of a catalog entry."""

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.catalog.weights import verify_digest
from seewhy.errors import BadImage, InvalidRequest, UnsupportedModel
from seewhy.imaging import codecs
from seewhy.settings.limits import REFERENCE_PIXELS
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.models.splitting.split_model import SplitModel


def embed_references(spec: ModelSpec, model: SplitModel) -> NDArray[np.float32]:
    """Compute the embedding of each reference image, (references, length).

    Raises `UnsupportedModel` when an image cannot be read or its embedding has no direction, and
    `WeightsCorrupt` when its digest is not that of the catalog.
    """
    return np.stack([_embed(name, spec, model) for name in spec.references])


def _embed(name: str, spec: ModelSpec, model: SplitModel) -> NDArray[np.float32]:
    reference = spec.references[name]
    path = spec.folder / reference.file
    try:
        verify_digest(path, f"sha256:{reference.sha256}")
        image = codecs.decode(path.read_bytes(), max_pixels=REFERENCE_PIXELS)
    except (OSError, BadImage) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnsupportedModel(
            f"{spec.name} cannot read its reference {name!r}, {path}: {reason}. Correct "
            "`references` in the catalog."
        ) from error
    pixels, _ = prepare(image, spec)
    try:
        return embed_pixels(pixels, model)
    except InvalidRequest as error:
        raise UnsupportedModel(f"the reference {name!r} of {spec.name}: {error}") from error


def embed_pixels(pixels: NDArray[np.float32], model: SplitModel) -> NDArray[np.float32]:
    """Compute the embedding, (length,), of the network's input (H, W, channels).

    Raises `InvalidRequest` when it has no direction.
    """
    embedding: NDArray[np.float32] = np.asarray(model.embed(pixels[np.newaxis]), np.float32)[0]
    norm = float(np.linalg.norm(embedding))
    if not (np.isfinite(norm) and norm > 0):
        raise InvalidRequest(
            f"The embedding of the reference has the norm {norm:g}, so nothing is similar to it; "
            "choose another image."
        )
    return embedding
