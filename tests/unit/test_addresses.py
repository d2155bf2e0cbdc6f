"""No webhook knocks on a door inside, however its address is written."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.schemas.webhook_url import parse_webhook_url
from seewhy_api.webhooks.address_policy import AddressNotAllowed, check_addresses, is_public, plain

PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]

INSIDE = [
    "0.0.0.0",
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

# How a URL can write an address inside without writing it: the system reads them all.
DISGUISED = [
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


def refuses(*addresses: str, networks: tuple[str, ...] = (), encrypted: bool = True) -> str:
    allowed = [ip_network(network) for network in networks]
    with pytest.raises(AddressNotAllowed) as caught:
        check_addresses(addresses, networks=allowed, encrypted=encrypted)
    return str(caught.value)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_reached_over_tls_alone(address: str) -> None:
    assert check_addresses([address], networks=(), encrypted=True) == [ip_address(address)]
    assert "use https" in refuses(address, encrypted=False)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_refused_alone_and_among_others(address: str) -> None:
    assert "not public" in refuses(address)
    assert "not public" in refuses(PUBLIC[0], address)
    assert "not public" in refuses(address, PUBLIC[0])


@pytest.mark.parametrize("url", DISGUISED)
def test_an_address_in_disguise_is_refused(url: str) -> None:
    place = parse_webhook_url(url)
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    assert "not public" in refuses(*(str(answer[4][0]) for answer in found))


def test_the_reason_names_no_address() -> None:
    assert "10.1.2.3" not in refuses("10.1.2.3")


def test_a_host_without_an_address_is_refused() -> None:
    assert "no address" in refuses()


def test_a_network_of_the_operators_is_reached_with_and_without_tls() -> None:
    for encrypted in (True, False):
        for address in ("10.0.0.1", "::ffff:10.0.0.1"):
            found = check_addresses(
                [address], networks=[ip_network("10.0.0.0/8")], encrypted=encrypted
            )
            assert found == [ip_address("10.0.0.1")]


def test_a_network_of_the_operators_opens_nothing_beside_it() -> None:
    assert "not public" in refuses("10.0.0.1", "192.168.0.1", networks=("10.0.0.0/8",))
    assert "use https" in refuses("10.0.0.1", "8.8.8.8", networks=("10.0.0.0/8",), encrypted=False)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "fd00:ec2::254"]
)
def test_no_network_of_the_operators_opens_the_metadata_of_a_cloud(address: str) -> None:
    assert "not public" in refuses(address, networks=("0.0.0.0/0", "::/0"))


@given(st.ip_addresses(v=6))
def test_of_ipv6_nothing_outside_global_unicast_is_public(address: IPv6Address) -> None:
    if address not in IPv6Network("2000::/3"):
        assert not is_public(address)


CARRIERS: dict[str, Callable[[int], int]] = {
    "mapped": lambda number: 0xFFFF << 32 | number,
    "compatible": lambda number: number,
    "NAT64": lambda number: 0x64FF9B << 96 | number,
    "local NAT64": lambda number: 0x64FF9B0001 << 80 | number,
    "6to4": lambda number: 0x2002 << 112 | number << 80 | 1,
    "Teredo": lambda number: 0x2001 << 112 | number ^ 0xFFFFFFFF,
}


@pytest.mark.parametrize("carrier", CARRIERS)
@given(address=st.ip_addresses(v=4))
def test_what_carries_an_ipv4_address_is_no_way_around_the_check_of_it(
    carrier: str, address: IPv4Address
) -> None:
    carried = plain(IPv6Address(CARRIERS[carrier](int(address))))
    assert not is_public(carried) or (carrier == "mapped" and carried == address)
