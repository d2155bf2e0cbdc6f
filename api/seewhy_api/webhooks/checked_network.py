"""The network as the courier's HTTP sees it: checked addresses only, and one deadline for all.

httpcore2 opens connections through a `NetworkBackend`. This one resolves the host once, checks
every address, and connects to what it has checked: no second look-up can lead elsewhere (DNS
rebinding). The name stays what TLS asks for and what the Host header says.

Every error is httpcore2's or `AddressRefused`, in words that hold nothing a receiver has sent.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore2

from seewhy_api.webhooks.address_policy import Address, AddressNotAllowed, Network, check_addresses
from seewhy_api.webhooks.deadline import Deadline
from seewhy_api.webhooks.dns import Resolve, resolve

CONNECT_S = 5.0

Dial = Callable[[Address, int, float], socket.socket]
"""(address, port, limit in s) -> a connected socket. Raises `OSError`."""


def dial(address: Address, port: int, limit_s: float) -> socket.socket:
    """Connect to an address, which is never looked up again."""
    connected = socket.create_connection((str(address), port), limit_s)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


class CheckedNetwork(httpcore2.NetworkBackend):
    """The way to one receiver, for the length of one exchange."""

    def __init__(
        self,
        *,
        networks: Sequence[Network],
        encrypted: bool,
        trust: ssl.SSLContext,
        deadline: Deadline,
        resolve: Resolve = resolve,
        dial: Dial = dial,
    ) -> None:
        """Reach the public internet, over TLS (`encrypted`), and `networks`, by `deadline`.

        `trust` is used for TLS, whatever context httpcore2 brings.
        """
        self._networks = networks
        self._encrypted = encrypted
        self._trust = trust
        self._deadline = deadline
        self._resolve = resolve
        self._dial = dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers within `CONNECT_S`; all of them are checked.

        Raises `AddressRefused`, `ConnectError` and `ConnectTimeout`. The other arguments are those
        of httpcore2, which the courier does not use.
        """
        addresses = self._addresses(host, port)
        failure: Exception = AddressNotAllowed("the host has no address")
        for address in addresses:
            try:
                limit_s = self._deadline.left_s(at_most_s=CONNECT_S)
                connected = self._dial(address, port, limit_s)
            except TimeoutError:
                failure = httpcore2.ConnectTimeout("no connection in time")
            except ConnectionRefusedError:
                failure = httpcore2.ConnectError("the connection was refused")
            except OSError:
                failure = httpcore2.ConnectError("the host cannot be reached")
            else:
                return TimedStream(connected, trust=self._trust, deadline=self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            found = self._resolve(host, port, self._deadline.left_s())
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("no answer from the name servers in time") from error
        try:
            return check_addresses(found, networks=self._networks, encrypted=self._encrypted)
        except ValueError as error:
            raise AddressNotAllowed("the host has an address of an unknown kind") from error


class TimedStream(httpcore2.NetworkStream):
    """A connected socket, whose every wait ends with the deadline at the latest.

    httpcore2's own timeouts count for each read alone: bytes that drip in would never end.
    """

    def __init__(
        self, connected: socket.socket, *, trust: ssl.SSLContext, deadline: Deadline
    ) -> None:
        """Take the socket over."""
        self._socket = connected
        self._trust = trust
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, nothing at the end. Raises `ReadError` and `ReadTimeout`."""
        with _as(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._socket.settimeout(self._deadline.left_s())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises `WriteError` and `WriteTimeout`."""
        rest = memoryview(buffer)
        with _as(httpcore2.WriteTimeout, httpcore2.WriteError):
            while rest:
                self._socket.settimeout(self._deadline.left_s())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """Shake hands, trusting whom `trust` trusts and not what httpcore2 brings.

        Raises `ConnectError`, for a bad certificate too, and `ConnectTimeout`.
        """
        try:
            with _as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._socket.settimeout(self._deadline.left_s())
                encrypted = self._trust.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return TimedStream(encrypted, trust=self._trust, deadline=self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Tell nothing: the courier speaks HTTP/1.1 alone and keeps no connection."""
        return None


@contextmanager
def _as(
    late: type[httpcore2.TimeoutException], broken: type[httpcore2.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late("no answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise broken(f"its certificate was not accepted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise broken("it does not speak TLS as it should") from error
    except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot ask for
        raise broken("the connection broke") from error
