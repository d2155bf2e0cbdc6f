"""A replica of a Valkey server, and three Sentinels that promote it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from seewhy.embedded.valkey import valkey_binary
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

NAME = "seewhy"
DOWN_AFTER_MS = 500
QUORUM = 2
SENTINELS = 3

_CONFIGURATION = f"""\
bind 127.0.0.1
port {{port}}
dir {{folder}}
sentinel monitor {NAME} 127.0.0.1 {{primary}} {QUORUM}
sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}
sentinel failover-timeout {NAME} 5000
"""


class Replication:
    """A primary, its replica and the Sentinels that watch both."""

    def __init__(
        self, primary: RedisServer, replica: RedisServer, sentinels: list["subprocess.Popen[bytes]"]
    ) -> None:
        """Take over what `replicated` has started."""
        self.replica = replica
        self._primary = primary
        self._sentinels = sentinels

    def detach(self) -> None:
        """Keep the replica from what is written from now on. It does not connect again."""
        with self.replica.client() as client:
            client.config_set("repl-timeout", 3600)
            client.config_set("primaryauth", "wrong")
        with self._primary.client() as client:
            client.config_set("requirepass", "")
            client.client_kill_filter(_type="replica")

    def promote(self) -> set[str]:
        """Wait until the Sentinels have promoted the replica; return the ids of its jobs.

        The Sentinels then stop: they would make a replica of what answers at the old address.
        """
        wait_until(lambda: self._role() == "master", what="the replica is promoted")
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        with self.replica.client() as client:
            keys = client.scan_iter("{seewhy}:job:*", count=1000)
            return {str(key).removeprefix("{seewhy}:job:") for key in keys}

    def is_synchronous(self) -> bool:
        """Whether the replica has a connection to its primary."""
        return self._role() == "slave up"

    def _role(self) -> str:
        """Return the role of the replica, and the state of its connection; "" while unknown."""
        try:
            with self.replica.client() as client:
                info = client.info("replication")
        except RedisConnectionError:  # a Sentinel ends all connections of what it promotes
            return ""
        return f"{info['role']} {info.get('master_link_status', '')}".strip()


@contextmanager
def replicated(primary: RedisServer) -> Iterator[Replication]:
    """Give a running server a replica and Sentinels for the length of the block."""
    folder = primary.directory.with_name("sentinel")
    with ExitStack() as stack:
        replica = stack.enter_context(start_valkey(folder / "replica"))
        with replica.client() as client:
            client.replicaof("127.0.0.1", primary.port)
        ports = [free_port() for _ in range(SENTINELS)]
        sentinels = []
        for port in ports:
            file = folder / f"{port}.conf"
            file.write_text(_CONFIGURATION.format(port=port, folder=folder, primary=primary.port))
            with (folder / f"{port}.log").open("wb") as log:
                command = guarded([str(valkey_binary()), str(file), "--sentinel"])
                sentinel = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(sentinel.wait)
            stack.callback(sentinel.kill)
            sentinels.append(sentinel)
        replication = Replication(primary, replica, sentinels)
        wait_until(replication.is_synchronous, what="the replica is synchronous")
        wait_until(lambda: all(map(_knows_all, ports)), what="the Sentinels know all")
        yield replication


def _knows_all(port: int) -> bool:
    """Whether a Sentinel knows the replica and the other Sentinels."""
    try:
        with Redis(port=port, decode_responses=True) as client:
            primary = client.sentinel_masters()[NAME]
    except RedisConnectionError:
        return False
    return bool(primary["num-slaves"] == 1 and primary["num-other-sentinels"] == SENTINELS - 1)
