"""The addresses that a client's URL may reach: the public internet and the operator's networks.

Clients choose the URLs of webhooks and images, and the service runs inside the operator's network.
Without this policy a client could reach internal services through it (server-side request forgery,
SSRF).
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
"""The global unicast range. ::/96, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64),
100::/64, fc00::/7, fe80::/10, fec0::/10 and ff00::/8 lie outside it."""

# `ipaddress.is_global` is True for most of these, depending on the Python version.
_SPECIAL = [
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's WireServer: a public address with a local function
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; Oracle's metadata at .192
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "224.0.0.0/4",  # multicast, RFC 5771
        "2001::/23",  # IETF protocol assignments, RFC 2928; Teredo, RFC 4380, is 2001::/32
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: embeds any IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
]

# Cloud metadata services hand out credentials, so `networks` cannot allow them. Most of them are
# link-local.
_METADATA = [
    ip_network(text)
    for text in (
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "169.254.0.0/16",
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::23/128",  # AWS, pods of EKS
        "fd00:ec2::254/128",  # AWS
        "fd20:ce::254/128",  # Google
        "fe80::/10",
    )
]

_ENDING_WITH_IPV4 = [ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::/96")]
"""Networks whose addresses end with an IPv4 address: NAT64 (RFC 6052, RFC 8215), and the
IPv4-compatible addresses of RFC 4291."""


class AddressNotAllowed(SeewhyError):
    """At least one address of a host is not allowed.

    The message contains no address: clients can read it, and an address would reveal the network.
    """

    code = "address_not_allowed"


def check_addresses(
    addresses: Iterable[str], *, networks: Sequence[Network], tls: bool
) -> list[Address]:
    """Return the addresses of one host if a client's URL may reach all of them.

    Public addresses require `tls`; addresses in `networks` do not. Raises `AddressNotAllowed` when
    one address is not allowed, even among allowed ones, or when there is none.
    """
    checked = [unmap_ipv4(ip_address(address)) for address in addresses]
    if not checked:
        raise AddressNotAllowed("The host name has no address.")
    for address in checked:
        if is_allowed(address, networks):
            continue
        if not is_public(address):
            raise AddressNotAllowed("The host name resolves to an address that is not public.")
        if not tls:
            raise AddressNotAllowed("Plain HTTP is allowed only in private networks: use https.")
    return checked


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the operator allows this address, public or not."""
    if getattr(address, "scope_id", None):
        return False
    reached = (address, _embedded_ipv4(address))
    if any(each in network for each in reached if each for network in _METADATA):
        return False
    return any(address in network for network in networks)


def is_public(address: Address) -> bool:
    """Whether the address is a host on the public internet.

    Addresses that embed an IPv4 address (NAT64, 6to4, Teredo) are not: they may lead anywhere.
    """
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def unmap_ipv4(address: Address) -> Address:
    """Convert an IPv4-mapped IPv6 address, ::ffff:0:0/96 (RFC 4291, 2.5.5.2), to IPv4."""
    return getattr(address, "ipv4_mapped", None) or address


def _embedded_ipv4(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that a gateway may make of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in _ENDING_WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    _, teredo_client = address.teredo or (None, None)
    return address.sixtofour or teredo_client
