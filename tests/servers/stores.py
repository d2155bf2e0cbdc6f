"""An object store for a service: a folder, or S3 behind a proxy that injects faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import s3
from servers.proxy import FaultProxy, start_proxy


@contextmanager
def start_store(
    directory: Path, *, on_s3: bool
) -> Iterator[tuple[dict[str, str], FaultProxy | None]]:
    """Provide the settings of a store in `directory` or on S3, and a proxy to S3.

    The settings name S3 itself, past the proxy.
    """
    if not on_s3:
        yield {"store_url": f"file://{directory}/objects"}, None
        return
    with s3.running() as server, start_proxy(int(server.endpoint.rpartition(":")[2])) as proxy:
        yield server.settings(server.new_bucket()), proxy
