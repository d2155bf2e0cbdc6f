"""Which addresses a webhook may be sent to: the public internet, and what the operator allows.

A client chooses the URL, and this process stands inside the operator's network: without this list
it would knock on any door there for whoever asks (server-side request forgery, SSRF).
"""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from seewhy.errors import SeewhyError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV6_UNICAST = IPv6Network("2000::/3")
"""All that IANA gives out. ::/96, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, fc00::/7,
fe80::/10, fec0::/10 and ff00::/8 lie outside of it."""

# `ipaddress.is_global` is True of most of these, depending on the version of Python.
_SPECIAL = [
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's wire server: public by its number, local by its function
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; Oracle's metadata at .192
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "224.0.0.0/4",  # multicast, RFC 5771
        "2001::/23",  # IETF protocol assignments, RFC 2928; Teredo, RFC 4380, is 2001::/32
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: carries any IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
]

# Clouds tell credentials to whoever asks there: no network that an operator allows opens these.
_METADATA = {
    ip_address(text)
    for text in (
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "192.0.0.192",
        "fd00:ec2::254",
    )
}


class AddressNotAllowed(SeewhyError):
    """A host leads, by one of its addresses at least, to where no webhook may go.

    The sentence names no address: who asked could be told of the inside of the network by it.
    """

    code = "address_refused"


def check_addresses(
    addresses: Iterable[str], *, networks: Sequence[Network], encrypted: bool
) -> list[Address]:
    """Return the addresses of one host when a webhook may go to every one of them.

    Public ones need TLS (`encrypted`); the operator's `networks` do not. Raises `AddressRefused`
    when there is one that may not be reached, or none at all: a mixed answer is refused whole.
    """
    found = [plain(ip_address(address)) for address in addresses]
    if not found:
        raise AddressNotAllowed("the host has no address")
    for address in found:
        if is_allowed(address, networks):
            continue
        if not is_public(address):
            raise AddressNotAllowed("the host leads to an address that is not public")
        if not encrypted:
            raise AddressNotAllowed("plain http is for the operator's own networks: use https")
    return found


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the operator lets webhooks reach this address, public or not."""
    if address in _METADATA or getattr(address, "scope_id", None):
        return False
    return any(address in network for network in networks)


def is_public(address: Address) -> bool:
    """Whether the address is one host of the public internet, reached as it is written.

    What merely carries an IPv4 address (NAT64, 6to4, Teredo) is not: it leads wherever that does.
    """
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def plain(address: Address) -> Address:
    """Unwrap an IPv4 address that is written as IPv6, ::ffff:0:0/96 (RFC 4291, 2.5.5.2)."""
    return getattr(address, "ipv4_mapped", None) or address
