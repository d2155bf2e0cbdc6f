"""Servers shared by all tests. A missing one skips at home and fails in CI."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from seewhy.embedded.tcp_ports import free_port
from servers import s3 as s3_servers
from servers.valkey import RedisServer, redis_binary, start_valkey

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"


def missing(server: str) -> NoReturn:
    """Skip the test, or fail it where every server has to be present."""
    if os.environ.get("CI"):
        pytest.fail(f"{server} is missing, and CI is to have it")
    pytest.skip(f"{server} is not installed here")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    binary = redis_binary() or missing("redis-server")
    with start_valkey(tmp_path_factory.mktemp("redis"), binary=binary) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[s3_servers.S3Server]:
    with s3_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of shipped photos."""
    return PHOTOS


@pytest.fixture
def unused_port() -> int:
    """A loopback port that nobody listens on."""
    return free_port()
