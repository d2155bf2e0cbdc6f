"""Fill a folder whose content appears when it is complete."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, whose content is in `folder` when the block has ended.

    `folder` is new or empty. After an error it is as it was. Raises `OSError` when it cannot be
    written.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".seewhy-{secrets.token_hex(8)}.part"
    try:
        part.mkdir()
        yield part
        # The files that describe the data set come last.
        for path in sorted(part.iterdir(), key=Path.is_file):
            path.rename(folder / path.name)
        part.rmdir()
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
