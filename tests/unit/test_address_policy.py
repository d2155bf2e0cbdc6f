"""Webhooks cannot reach private addresses in any notation."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.http_url import parse_http_url
from seewhy_api.outgoing.address_policy import (
    AddressNotAllowed,
    check_addresses,
    is_public,
    unmap_ipv4,
)

PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]

PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::169.254.169.254",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "100::1",
    "2001::a9fe:a9fe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]

# Spellings of private addresses that the system resolver accepts in a URL.
DISGUISED_URLS = [
    "https://127.1/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://169.254.43518/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[::169.254.169.254]/",
    "https://192.0.0.192:6379/",
    "https://168.63.129.16:22/",
]


def refusal(*addresses: str, networks: tuple[str, ...] = (), tls: bool = True) -> str:
    allowed = [ip_network(network) for network in networks]
    with pytest.raises(AddressNotAllowed) as caught:
        check_addresses(addresses, networks=allowed, tls=tls)
    return str(caught.value)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_require_tls(address: str) -> None:
    assert check_addresses([address], networks=(), tls=True) == [ip_address(address)]
    assert "use https" in refusal(address, tls=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_alone_and_among_public_ones(address: str) -> None:
    assert "not public" in refusal(address)
    assert "not public" in refusal(PUBLIC[0], address)
    assert "not public" in refusal(address, PUBLIC[0])


@pytest.mark.parametrize("url", DISGUISED_URLS)
def test_a_disguised_private_address_is_refused(url: str) -> None:
    target = parse_http_url(url)
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    assert "not public" in refusal(*(str(answer[4][0]) for answer in found))


def test_the_error_does_not_reveal_the_address() -> None:
    assert "10.1.2.3" not in refusal("10.1.2.3")


def test_a_host_without_an_address_is_refused() -> None:
    assert "no address" in refusal()


def test_an_allowed_network_is_reached_with_and_without_tls() -> None:
    for tls in (True, False):
        for address in ("10.0.0.1", "::ffff:10.0.0.1"):
            found = check_addresses([address], networks=[ip_network("10.0.0.0/8")], tls=tls)
            assert found == [ip_address("10.0.0.1")]


def test_an_allowed_network_allows_no_other_addresses() -> None:
    assert "not public" in refusal("10.0.0.1", "192.168.0.1", networks=("10.0.0.0/8",))
    assert "use https" in refusal("10.0.0.1", "8.8.8.8", networks=("10.0.0.0/8",), tls=False)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "169.254.170.23",  # credentials of EKS pods
        "fd00:ec2::23",
        "169.254.0.23",  # Tencent Cloud
        "fd20:ce::254",  # Google Cloud
        "fe80::a9fe:a9fe",  # OpenStack
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001::5601:5601",
        "::a9fe:a9fe",
    ],
)
def test_an_allowed_network_never_includes_cloud_metadata_services(address: str) -> None:
    assert "not public" in refusal(address, networks=("0.0.0.0/0", "::/0"))


def test_an_allowed_network_may_be_that_of_a_nat64_gateway() -> None:
    """In a cluster without IPv4, every outside service has an address there."""
    found = check_addresses(["64:ff9b::a01:203"], networks=[ip_network("64:ff9b::/96")], tls=False)
    assert found == [ip_address("64:ff9b::a01:203")]


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_global_unicast_is_public(address: IPv6Address) -> None:
    if address not in IPv6Network("2000::/3"):
        assert not is_public(address)


EMBEDDINGS: dict[str, Callable[[int], int]] = {
    "mapped": lambda number: 0xFFFF << 32 | number,
    "compatible": lambda number: number,
    "NAT64": lambda number: 0x64FF9B << 96 | number,
    "local NAT64": lambda number: 0x64FF9B0001 << 80 | number,
    "6to4": lambda number: 0x2002 << 112 | number << 80 | 1,
    "Teredo": lambda number: 0x2001 << 112 | number ^ 0xFFFFFFFF,
}


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@given(address=st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_cannot_bypass_the_check(
    embedding: str, address: IPv4Address
) -> None:
    embedded = unmap_ipv4(IPv6Address(EMBEDDINGS[embedding](int(address))))
    assert not is_public(embedded) or (embedding == "mapped" and embedded == address)
