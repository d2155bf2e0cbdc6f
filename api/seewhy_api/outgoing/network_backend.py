"""A network backend for httpcore2: only checked addresses, one deadline per request.

The backend resolves a host once, checks every address, and connects to a checked address. A second
lookup, which could return another address (DNS rebinding), never happens. TLS and the Host header
still use the host name.

Raises only httpcore2's errors and `AddressNotAllowed`. Their messages contain nothing that a
server sent.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore2

from seewhy_api.outgoing.address_policy import Address, AddressNotAllowed, Network, check_addresses
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.dns import Resolve, resolve

CONNECT_TIMEOUT_S = 5.0

Connect = Callable[[Address, int, float], socket.socket]
"""(address, port, limit in s) -> a connected socket. Raises `OSError`."""


def connect(address: Address, port: int, limit_s: float) -> socket.socket:
    """Connect to an IP address. Raises `OSError`."""
    connection = socket.create_connection((str(address), port), limit_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class CheckedNetworkBackend(httpcore2.NetworkBackend):
    """Opens the connection of one request, to allowed addresses only."""

    def __init__(
        self,
        *,
        networks: Sequence[Network],
        tls: bool,
        ssl_context: ssl.SSLContext,
        deadline: Deadline,
        resolve: Resolve = resolve,
        connect: Connect = connect,
    ) -> None:
        """Allow `networks` and, with `tls`, the public internet, until `deadline`.

        TLS uses `ssl_context`, not the context that httpcore2 passes.
        """
        self._networks = networks
        self._tls = tls
        self._ssl_context = ssl_context
        self._deadline = deadline
        self._resolve = resolve
        self._connect = connect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that accepts within `CONNECT_TIMEOUT_S`.

        Checks all addresses first. Ignores the other arguments, which belong to httpcore2's
        interface. Raises `AddressNotAllowed`, `ConnectError` and `ConnectTimeout`.
        """
        addresses = self._checked_addresses(host, port)
        failure: Exception = AddressNotAllowed("The host name has no address.")
        for address in addresses:
            try:
                limit_s = self._deadline.remaining_s(at_most_s=CONNECT_TIMEOUT_S)
                connection = self._connect(address, port, limit_s)
            except TimeoutError:
                failure = httpcore2.ConnectTimeout("The connection timed out.")
            except ConnectionRefusedError:
                failure = httpcore2.ConnectError("The connection was refused.")
            except OSError:
                failure = httpcore2.ConnectError("The host cannot be reached.")
            else:
                return DeadlineStream(
                    connection, ssl_context=self._ssl_context, deadline=self._deadline
                )
        raise failure

    def _checked_addresses(self, host: str, port: int) -> list[Address]:
        try:
            addresses = self._resolve(host, port, self._deadline.remaining_s())
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("Resolving the host name timed out.") from error
        try:
            return check_addresses(addresses, networks=self._networks, tls=self._tls)
        except ValueError as error:
            raise AddressNotAllowed("The host name has an invalid address.") from error


class DeadlineStream(httpcore2.NetworkStream):
    """A connected socket whose operations all share one deadline.

    httpcore2's timeouts restart with each read: a server that drips bytes would never time out.
    """

    def __init__(
        self, connection: socket.socket, *, ssl_context: ssl.SSLContext, deadline: Deadline
    ) -> None:
        """Take ownership of a connected socket."""
        self._socket = connection
        self._ssl_context = ssl_context
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return received bytes, empty at the end. Raises `ReadError` and `ReadTimeout`."""
        with _translate_errors(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._socket.settimeout(self._deadline.remaining_s())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes. Raises `WriteError` and `WriteTimeout`."""
        unsent = memoryview(buffer)
        with _translate_errors(httpcore2.WriteTimeout, httpcore2.WriteError):
            while unsent:
                self._socket.settimeout(self._deadline.remaining_s())
                unsent = unsent[self._socket.send(unsent) :]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """Perform the TLS handshake with this stream's own context; ignore `ssl_context`.

        Raises `ConnectError`, also for an invalid certificate, and `ConnectTimeout`.
        """
        try:
            with _translate_errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._socket.settimeout(self._deadline.remaining_s())
                encrypted = self._ssl_context.wrap_socket(
                    self._socket, server_hostname=server_hostname
                )
        except BaseException:
            self.close()
            raise
        return DeadlineStream(encrypted, ssl_context=self._ssl_context, deadline=self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return None: HTTP/1.1 without connection reuse needs no information."""
        return None


@contextmanager
def _translate_errors(
    timeout: type[httpcore2.TimeoutException], failure: type[httpcore2.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout("No answer in time.") from error
    except ssl.SSLCertVerificationError as error:
        raise failure(f"The certificate is not valid: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise failure("The TLS handshake failed.") from error
    except (OSError, ValueError) as error:  # ValueError: a host name that TLS cannot use
        raise failure("The connection was lost.") from error
