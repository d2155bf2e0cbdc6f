"""A Redis with TLS, the users of infra/redis_users/users.acl, and cluster mode with one shard.

Managed services offer this combination.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from seewhy.embedded.tcp_ports import free_port
from servers.certificates import CertificateAuthority
from servers.valkey import RedisServer
from servers.waiting import wait_until

USERS = Path(__file__).parents[2] / "infra" / "redis_users" / "users.acl"
HOST = "localhost"
ADMIN = "user admin on >ADMIN_PASSWORD ~* &* +@all\n"


class SecuredRedis(RedisServer):
    """A server that answers over TLS only, and knows one user for each kind of process."""

    def __init__(self, directory: Path, *, binary: Path) -> None:
        """Write certificates and users into `directory`."""
        super().__init__(
            directory, binary=binary, password=None, appendonly=False, appendfsync="no"
        )
        directory.mkdir(parents=True)
        authority = CertificateAuthority()
        authority.server_context(HOST, directory)
        self._authority = directory / "authority.pem"
        self._authority.write_text(authority.pem)
        (directory / "users.acl").write_text(USERS.read_text() + ADMIN)
        certificate = str(directory / "server.pem")
        self._options |= {
            "port": "0",
            "tls-port": str(self.port),
            "tls-cert-file": certificate,
            "tls-key-file": certificate,
            "tls-ca-cert-file": str(self._authority),
            "tls-auth-clients": "no",
            "aclfile": str(directory / "users.acl"),
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
        }

    @property
    def url(self) -> str:
        """The URL for an administrator."""
        return self.url_of("admin")

    def url_of(self, user: str) -> str:
        """The URL for a user of the file."""
        login = f"{user}:{user.upper()}_PASSWORD"
        return f"rediss://{login}@{HOST}:{self.port}/0?ssl_ca_certs={self._authority}"

    def assign_all_slots(self) -> None:
        """Make this server the only shard; return when it serves every slot."""
        with self.client() as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
            wait_until(
                lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok",
                what="the cluster serves every slot",
            )

    def slots(self) -> set[int]:
        """Return the slots of all keys."""
        with self.client() as client:
            keys = list(client.scan_iter("*", count=1000))
            return {client.execute_command("CLUSTER KEYSLOT", key) for key in keys}

    def denied(self) -> list[str]:
        """Return what the users tried and may not do: the user, the reason, the object."""
        with self.client() as client:
            entries = client.acl_log()
        return [f"{each['username']} {each['reason']} {each['object']}" for each in entries]


@contextmanager
def start_secured_redis(directory: Path, *, binary: Path) -> Iterator[SecuredRedis]:
    """Run a server for the length of the block."""
    server = SecuredRedis(directory, binary=binary)
    server.start()
    try:
        server.assign_all_slots()
        yield server
    finally:
        server.kill()


def connected(server: SecuredRedis, user: str) -> "Redis":
    """Return a client of a user; the caller closes it."""
    return Redis.from_url(server.url_of(user), decode_responses=True)
