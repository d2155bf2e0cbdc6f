"""Where a model's weights are found, how they are fetched, and that they are the right ones."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx2

from seewhy.catalog.catalog import ModelSpec, RandomWeights, WeightsFile
from seewhy.errors import WeightsCorrupt, WeightsNotFound
from seewhy.settings import Settings

CONNECT_S = 10.0
READ_S = 30.0
_BLOCK_BYTES = 1 << 20

ProgressCallback = Callable[[int, int | None], None]
"""Told `(bytes_done, bytes_total)`; the total is None when the server does not say."""


def obtain_weights(
    spec: ModelSpec,
    settings: Settings,
    *,
    progress: ProgressCallback,
    transport: httpx2.BaseTransport | None = None,
) -> Path | None:
    """Find or fetch the model's file and check its digest; None for random weights.

    Raises `WeightsNotFound`, which names both remedies, and `WeightsCorrupt`.
    """
    if isinstance(spec.weights, RandomWeights):
        return None
    found = find_weights(spec, settings)
    if found is None:
        return download_weights(spec, settings, progress=progress, transport=transport)
    verify_digest(found, spec.digest)
    return found


def find_weights(spec: ModelSpec, settings: Settings) -> Path | None:
    """Find the model's file: beside the catalogue, in `model_dir`, in Keras' own cache.

    It is not opened: `verify_digest` tells whether it is the right one.
    """
    places: list[Path] = []
    if not spec.is_application:
        places.append(spec.folder / spec.source)
    name = spec.weights.file if isinstance(spec.weights, WeightsFile) else Path(spec.source).name
    if settings.model_dir is not None:
        places.append(settings.model_dir / name)
    if spec.is_application and not isinstance(spec.weights, RandomWeights):
        places.append(_keras_cache() / name)
    return next((place for place in places if place.is_file()), None)


def download_weights(
    spec: ModelSpec,
    settings: Settings,
    *,
    progress: ProgressCallback,
    transport: httpx2.BaseTransport | None = None,
) -> Path:
    """Download the weights to `model_dir`, or to Keras' cache when that is unset.

    The file takes its name only after its digest is right, so a crash leaves no half of one.
    Raises `WeightsNotFound` after at most `CONNECT_S` seconds without a connection, and
    `WeightsCorrupt` when what came is not what the catalogue names.
    """
    if not isinstance(spec.weights, WeightsFile):
        raise WeightsNotFound(_remedies(spec, "the catalogue names no address for it"))
    folder = settings.model_dir or _keras_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".fetching-", delete=False) as file:
            part = Path(file.name)
        try:
            _download(spec.weights.url, part, progress, transport)
            verify_digest(part, spec.digest)
            part.chmod(0o644)
            return part.replace(folder / spec.weights.file)
        finally:
            part.unlink(missing_ok=True)
    except (httpx2.HTTPError, OSError) as error:
        raise WeightsNotFound(_remedies(spec, f"{type(error).__name__}: {error}")) from error


def verify_digest(path: Path, digest: str) -> None:
    """Return when the file has the digest (`sha256:…` or `md5:…`), else raise `WeightsCorrupt`."""
    kind, _, expected = digest.partition(":")
    with path.open("rb") as file:
        # MD5 is what Keras publishes for its files; it guards against mix-ups, not forgery.
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    if found.hexdigest() != expected:
        raise WeightsCorrupt(
            f"{path} is not the file that the catalogue names: its {kind} is {found.hexdigest()}, "
            f"not {expected}. Delete it, or correct the catalogue."
        )


def _download(
    url: str, path: Path, progress: ProgressCallback, transport: httpx2.BaseTransport | None
) -> None:
    timeout = httpx2.Timeout(READ_S, connect=CONNECT_S)
    plain = {"accept-encoding": "identity"}
    with (
        httpx2.Client(transport=transport, timeout=timeout, follow_redirects=True) as client,
        client.stream("GET", url, headers=plain) as response,
        path.open("wb") as file,
    ):
        response.raise_for_status()
        length = response.headers.get("content-length")
        total = int(length) if length else None
        progress(0, total)
        for block in response.iter_bytes(_BLOCK_BYTES):
            file.write(block)
            progress(file.tell(), total)


def _keras_cache() -> Path:
    return Path.home() / ".keras" / "models"


def _remedies(spec: ModelSpec, reason: str) -> str:
    if not isinstance(spec.weights, WeightsFile):
        return (
            f"the file {spec.source} of the model {spec.name} is missing ({reason}): put it into "
            f"{spec.folder}, or into a folder that SEEWHY_MODEL_DIR names."
        )
    return (
        f"the weights of {spec.name} are neither on disk nor to be fetched ({reason}). Either put "
        f"{spec.weights.file} into a folder and set SEEWHY_MODEL_DIR to it, or start once where "
        f"{spec.weights.url} can be reached."
    )
