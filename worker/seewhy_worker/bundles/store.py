"""The folder of bundles: one folder each, which appears complete or not at all."""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from seewhy_worker.bundles.contents import Contents

CONTENTS, NETWORK, WEIGHTS = "contents.json", "network.xml", "network.bin"

_OTHERS_MAY_WRITE = 0o022

_log = logging.getLogger(__name__)


class BundleUnusable(Exception):
    """A bundle is missing, damaged or not trusted; the message completes "because …"."""


class BundleStore:
    """Bundles by model and identity. Any number of processes may use one folder at once."""

    def __init__(self, folder: Path) -> None:
        """Keep bundles in a folder, which need not exist."""
        self._folder = folder

    def read(self, model: str, identity: str) -> tuple[Contents, Path]:
        """Return the verified contents of a bundle, and its folder. Raises `BundleUnusable`."""
        folder = self._path(model, identity)
        try:
            for name in (".", CONTENTS, NETWORK, WEIGHTS):
                _check_owner(folder / name)
            contents = Contents.model_validate_json((folder / CONTENTS).read_bytes())
            for name in (NETWORK, WEIGHTS):
                if _digest(folder / name) != contents.sha256.get(name):
                    raise BundleUnusable(f"{folder / name} is damaged")
        except FileNotFoundError:
            raise BundleUnusable("none was written") from None
        except (OSError, ValidationError) as error:
            raise BundleUnusable(f"{folder} cannot be read: {type(error).__name__}") from error
        return contents, folder

    @contextlib.contextmanager
    def writing(self, model: str, identity: str) -> Iterator[Path]:
        """Yield a new folder, for the owner only, that becomes the bundle at the end.

        It replaces bundles of the model with another identity, and a damaged one. If the block
        raises, or if another process is done first, nothing changes. Raises `OSError`.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(dir=self._folder, prefix=f".{model}-"))  # mode 0700
        try:
            yield folder
            self._publish(folder, model, identity)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, folder: Path, model: str, identity: str) -> None:
        target = self._path(model, identity)
        for old in self._folder.glob(f"{model}@*"):
            if old != target or not self._is_usable(model, identity):
                shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process was faster; its bundle is equal
            folder.rename(target)

    def _is_usable(self, model: str, identity: str) -> bool:
        try:
            self.read(model, identity)
        except BundleUnusable:
            return False
        return True

    def _path(self, model: str, identity: str) -> Path:
        return self._folder / f"{model}@{identity[:32]}"


def write_contents(folder: Path, contents: Contents) -> None:
    """Complete a bundle with its contents, and with the digests of its files."""
    digests = {name: _digest(folder / name) for name in (NETWORK, WEIGHTS)}
    text = contents.model_copy(update={"sha256": digests}).model_dump_json(indent=1)
    (folder / CONTENTS).write_text(text)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_owner(path: Path) -> None:
    """Refuse what others could have written: OpenVINO trusts the files that it reads."""
    status = path.stat()
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & _OTHERS_MAY_WRITE:
        raise BundleUnusable(f"others may write {path}")
