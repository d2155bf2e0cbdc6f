"""Connections that send something and then nothing, and an honest client beside them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from seewhy.client import Client, ClientError
from servers.process_cluster import ProcessCluster

ANSWER_LIMIT_S = 10.0
"""Far above any answer of a healthy server, far below the time-outs of the attacks."""


@contextmanager
def attackers(cluster: ProcessCluster, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open `count` connections that send `sent` and then nothing."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            address = (cluster.settings.api_host, cluster.settings.api_port)
            sock = stack.enter_context(socket.create_connection(address, timeout=60))
            sock.sendall(sent)
            sockets.append(sock)
        yield sockets


def assert_serves(cluster: ProcessCluster, photos: Path) -> None:
    """Check that an honest client gets a health check, a submission and its status."""
    health = httpx2.get(f"{cluster.url}/healthz", timeout=ANSWER_LIMIT_S)
    assert health.status_code == 200
    with Client(cluster.url, timeout_s=ANSWER_LIMIT_S) as client:
        try:
            submitted = client.submit(photos / "cat.jpg")
            assert client.get(submitted).id == submitted.id
        except ClientError as error:
            pytest.fail(f"{error}\n{cluster.read_log('api')}")
