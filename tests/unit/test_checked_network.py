"""The courier's network: what it looks up, what it connects to, and when it gives up."""

import socket
import ssl
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import httpcore2
import pytest

from seewhy_api.webhooks.address_policy import Address, AddressNotAllowed
from seewhy_api.webhooks.checked_network import CONNECT_S, CheckedNetwork
from seewhy_api.webhooks.deadline import Deadline
from seewhy_api.webhooks.dns import resolve

TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Internet:
    """Name servers that give `answers` in turn, and hosts of which some fail when dialled."""

    answers: list[list[str]]
    failures: dict[str, OSError] = field(default_factory=dict)
    dialled: list[tuple[str, int, float]] = field(default_factory=list)
    now_s: float = 0.0

    def resolve(self, host: str, port: int, limit_s: float) -> list[str]:
        return self.answers.pop(0)

    def dial(self, address: Address, port: int, limit_s: float) -> socket.socket:
        self.dialled.append((str(address), port, limit_s))
        if failure := self.failures.get(str(address)):
            self.now_s += limit_s if isinstance(failure, TimeoutError) else 0
            raise failure
        return socket.socket()

    def network(self, *, encrypted: bool = True, limit_s: float = 12.0) -> CheckedNetwork:
        return CheckedNetwork(
            networks=[IPv4Network("10.0.0.0/8")],
            encrypted=encrypted,
            trust=TRUST,
            deadline=Deadline(limit_s, clock=lambda: self.now_s),
            resolve=self.resolve,
            dial=self.dial,
        )


def test_what_was_checked_is_what_is_connected_to_though_the_name_changes_its_mind() -> None:
    internet = Internet([["8.8.8.8"], ["169.254.169.254"]])

    internet.network().connect_tcp("rebinding.example", 443).close()

    assert internet.dialled == [("8.8.8.8", 443, CONNECT_S)]
    assert internet.answers == [["169.254.169.254"]]


@pytest.mark.parametrize("host", ["metadata.google.internal", "localhost.", "mixed.example"])
def test_a_name_that_leads_inside_is_not_dialled_at_all(host: str) -> None:
    leads = {
        "metadata.google.internal": ["169.254.169.254"],
        "localhost.": ["127.0.0.1", "::1"],
        "mixed.example": ["8.8.8.8", "192.168.0.1"],
    }
    internet = Internet([leads[host]])

    with pytest.raises(AddressNotAllowed, match="not public"):
        internet.network().connect_tcp(host, 443)

    assert internet.dialled == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [([], "has no address"), (["nonsense"], "unknown kind"), (["8.8.8.8"], "use https")],
)
def test_without_an_address_to_go_to_nothing_is_dialled(answer: list[str], why: str) -> None:
    internet = Internet([answer])
    with pytest.raises(AddressNotAllowed, match=why):
        internet.network(encrypted=False).connect_tcp("host.example", 80)
    assert internet.dialled == []


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    internet = Internet([["10.0.0.1", "10.0.0.2"]], {"10.0.0.1": ConnectionRefusedError()})
    internet.network().connect_tcp("host.example", 443).close()
    assert [address for address, _, _ in internet.dialled] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("failure", "kind", "why"),
    [
        (ConnectionRefusedError(), httpcore2.ConnectError, "refused"),
        (OSError(101, "unreachable: 10.0.0.1"), httpcore2.ConnectError, "cannot be reached$"),
        (TimeoutError(), httpcore2.ConnectTimeout, "in time"),
    ],
)
def test_when_no_address_answers_the_last_failure_is_told(
    failure: OSError, kind: type[Exception], why: str
) -> None:
    internet = Internet([["10.0.0.1"]], {"10.0.0.1": failure})
    with pytest.raises(kind, match=why):
        internet.network().connect_tcp("host.example", 443)


def test_many_silent_addresses_take_no_longer_than_the_exchange_may() -> None:
    silent = [f"10.0.0.{n}" for n in range(9)]
    internet = Internet([silent], dict.fromkeys(silent, TimeoutError()))

    with pytest.raises(httpcore2.ConnectTimeout):
        internet.network(limit_s=12.0).connect_tcp("host.example", 443)

    assert [limit_s for _, _, limit_s in internet.dialled] == [5, 5, 2]


def test_name_servers_that_do_not_answer_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    given_up = threading.Event()
    request.addfinalizer(given_up.set)

    def silent(*_: object, **__: object) -> None:
        given_up.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", silent)

    with pytest.raises(TimeoutError):
        resolve("slow.example", 443, 0.01)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "no such host"])
def test_what_is_no_name_has_no_address(host: str) -> None:
    assert resolve(host, 443, 60) == []


def test_the_system_tells_each_address_once() -> None:
    assert resolve("127.0.0.1", 443, 60) == ["127.0.0.1"]
