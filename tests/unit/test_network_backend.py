"""The dispatcher's network backend: what it resolves, what it connects to, when it times out."""

import socket
import ssl
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import httpcore2
import pytest

from seewhy_api.outgoing.address_policy import Address, AddressNotAllowed
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.dns import resolve
from seewhy_api.outgoing.network_backend import CONNECT_TIMEOUT_S, CheckedNetworkBackend

SSL_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class FakeNetwork:
    """Name servers that return `answers` in order, and hosts of which some fail to connect."""

    answers: list[list[str]]
    failures: dict[str, OSError] = field(default_factory=dict)
    connections: list[tuple[str, int, float]] = field(default_factory=list)
    now_s: float = 0.0

    def resolve(self, host: str, port: int, limit_s: float) -> list[str]:
        return self.answers.pop(0)

    def connect(self, address: Address, port: int, limit_s: float) -> socket.socket:
        self.connections.append((str(address), port, limit_s))
        if failure := self.failures.get(str(address)):
            self.now_s += limit_s if isinstance(failure, TimeoutError) else 0
            raise failure
        return socket.socket()

    def backend(self, *, tls: bool = True, limit_s: float = 12.0) -> CheckedNetworkBackend:
        return CheckedNetworkBackend(
            networks=[IPv4Network("10.0.0.0/8")],
            tls=tls,
            ssl_context=SSL_CONTEXT,
            deadline=Deadline(limit_s, clock=lambda: self.now_s),
            resolve=self.resolve,
            connect=self.connect,
        )


def test_dns_rebinding_cannot_change_the_checked_address() -> None:
    fake = FakeNetwork([["8.8.8.8"], ["169.254.169.254"]])

    fake.backend().connect_tcp("rebinding.example", 443).close()

    assert fake.connections == [("8.8.8.8", 443, CONNECT_TIMEOUT_S)]
    assert fake.answers == [["169.254.169.254"]]


@pytest.mark.parametrize("host", ["metadata.google.internal", "localhost.", "mixed.example"])
def test_a_private_name_is_never_connected_to(host: str) -> None:
    addresses = {
        "metadata.google.internal": ["169.254.169.254"],
        "localhost.": ["127.0.0.1", "::1"],
        "mixed.example": ["8.8.8.8", "192.168.0.1"],
    }
    fake = FakeNetwork([addresses[host]])

    with pytest.raises(AddressNotAllowed, match="not public"):
        fake.backend().connect_tcp(host, 443)

    assert fake.connections == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [([], "has no address"), (["nonsense"], "invalid address"), (["8.8.8.8"], "use https")],
)
def test_without_an_allowed_address_nothing_is_connected_to(answer: list[str], why: str) -> None:
    fake = FakeNetwork([answer])
    with pytest.raises(AddressNotAllowed, match=why):
        fake.backend(tls=False).connect_tcp("host.example", 80)
    assert fake.connections == []


def test_the_next_address_is_tried_when_one_refuses() -> None:
    fake = FakeNetwork([["10.0.0.1", "10.0.0.2"]], {"10.0.0.1": ConnectionRefusedError()})
    fake.backend().connect_tcp("host.example", 443).close()
    assert [address for address, _, _ in fake.connections] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("failure", "kind", "why"),
    [
        (ConnectionRefusedError(), httpcore2.ConnectError, "refused"),
        (OSError(101, "unreachable: 10.0.0.1"), httpcore2.ConnectError, r"cannot be reached\.$"),
        (TimeoutError(), httpcore2.ConnectTimeout, "timed out"),
    ],
)
def test_the_last_failure_is_raised_when_no_address_accepts(
    failure: OSError, kind: type[Exception], why: str
) -> None:
    fake = FakeNetwork([["10.0.0.1"]], {"10.0.0.1": failure})
    with pytest.raises(kind, match=why):
        fake.backend().connect_tcp("host.example", 443)


def test_many_silent_addresses_share_one_deadline() -> None:
    silent = [f"10.0.0.{n}" for n in range(9)]
    fake = FakeNetwork([silent], dict.fromkeys(silent, TimeoutError()))

    with pytest.raises(httpcore2.ConnectTimeout):
        fake.backend(limit_s=12.0).connect_tcp("host.example", 443)

    assert [limit_s for _, _, limit_s in fake.connections] == [5, 5, 2]


def test_resolving_a_name_times_out(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    released = threading.Event()
    request.addfinalizer(released.set)

    def silent(*_: object, **__: object) -> None:
        released.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", silent)

    with pytest.raises(TimeoutError):
        resolve("slow.example", 443, 0.01)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "no such host"])
def test_an_invalid_name_has_no_address(host: str) -> None:
    assert resolve(host, 443, 60) == []


def test_resolved_addresses_are_distinct() -> None:
    assert resolve("127.0.0.1", 443, 60) == ["127.0.0.1"]
