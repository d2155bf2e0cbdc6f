"""Write a file that appears when it is complete."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from seewhy.client.network import Network


@asynccontextmanager
async def new_file(network: Network, path: Path) -> AsyncIterator[IO[bytes]]:
    """Open a file that replaces `path` when the block ends; after an error nothing is left.

    Until then it has a name in the same folder that no other file has. Raises `OSError` when it
    cannot be written.
    """
    part = path.with_name(f".seewhy-{secrets.token_hex(8)}.part")
    file = await network.call(part.open, "xb")
    try:
        yield file
        await network.call(file.close)
        await network.call(part.replace, path)
    finally:
        await network.call(_discard, file, part)


def _discard(file: IO[bytes], part: Path) -> None:
    try:
        file.close()  # raises again what it could not write
    finally:
        part.unlink(missing_ok=True)
