"""Find, download and verify the weights of a model."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx2

from seewhy.catalog.model_files import RandomWeights, WeightsFile
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import WeightsCorrupt, WeightsNotFound
from seewhy.settings import Settings

CONNECT_S = 10.0
READ_S = 30.0
_BLOCK_BYTES = 1 << 20

ProgressCallback = Callable[[int, int | None], None]
"""Called with `(bytes_done, bytes_total)`; the total is None when the server omits it."""


def obtain_weights(
    spec: ModelSpec,
    settings: Settings,
    *,
    progress: ProgressCallback,
    transport: httpx2.BaseTransport | None = None,
) -> Path | None:
    """Return the verified file of a model, downloaded if necessary; None for random weights.

    Raises `WeightsNotFound`, which names the remedies, or `WeightsCorrupt`.
    """
    if isinstance(spec.weights, RandomWeights):
        return None
    found = find_weights(spec, settings)
    if found is None:
        return download_weights(spec, settings, progress=progress, transport=transport)
    verify_digest(found, spec.digest)
    return found


def find_weights(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the file of a model, or None.

    The search order is the catalog's folder, `model_dir`, and the cache of Keras. The file is not
    opened; `verify_digest` checks its content.
    """
    candidates: list[Path] = []
    if not spec.is_application:
        candidates.append(spec.folder / spec.source)
    name = spec.weights.file if isinstance(spec.weights, WeightsFile) else Path(spec.source).name
    if settings.model_dir is not None:
        candidates.append(settings.model_dir / name)
    if spec.is_application and not isinstance(spec.weights, RandomWeights):
        candidates.append(_keras_cache() / name)
    return next((path for path in candidates if path.is_file()), None)


def download_weights(
    spec: ModelSpec,
    settings: Settings,
    *,
    progress: ProgressCallback,
    transport: httpx2.BaseTransport | None = None,
) -> Path:
    """Download the weights to `model_dir`, or to the cache of Keras when it is unset.

    The file gets its name after its digest is verified, so a crash leaves no partial file. Raises
    `WeightsNotFound` when the download fails, at most `CONNECT_S` seconds after an attempt to
    connect, and `WeightsCorrupt` when the digest differs from the catalog's.
    """
    if not isinstance(spec.weights, WeightsFile):
        raise WeightsNotFound(_not_found_message(spec, "the catalog has no URL for it"))
    folder = settings.model_dir or _keras_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".download-", delete=False) as file:
            part = Path(file.name)
        try:
            _download(spec.weights.url, part, progress, transport)
            verify_digest(part, spec.digest)
            part.chmod(0o644)
            return part.replace(folder / spec.weights.file)
        finally:
            part.unlink(missing_ok=True)
    except (httpx2.HTTPError, OSError) as error:
        raise WeightsNotFound(
            _not_found_message(spec, f"{type(error).__name__}: {error}")
        ) from error


def verify_digest(path: Path, digest: str) -> None:
    """Raise `WeightsCorrupt` unless the file has the digest, `sha256:…` or `md5:…`."""
    kind, _, expected = digest.partition(":")
    with path.open("rb") as file:
        # Keras publishes MD5 for its files: a guard against mistakes, not against forgery.
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    if found.hexdigest() != expected:
        raise WeightsCorrupt(
            f"the {kind} of {path} is {found.hexdigest()}, but the catalog has {expected}. "
            "Delete the file, or correct the digest in the catalog."
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


def _not_found_message(spec: ModelSpec, reason: str) -> str:
    if not isinstance(spec.weights, WeightsFile):
        return (
            f"cannot find the file {spec.source} of the model {spec.name} ({reason}). Put it into "
            f"{spec.folder}, or into a folder and set SEEWHY_MODEL_DIR to it."
        )
    return (
        f"cannot find or download the weights of {spec.name} ({reason}). Either put "
        f"{spec.weights.file} into a folder and set SEEWHY_MODEL_DIR to it, or start once with "
        f"access to {spec.weights.url}."
    )
