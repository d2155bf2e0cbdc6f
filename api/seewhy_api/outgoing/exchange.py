"""One HTTP request to a URL that a client chose, with one deadline for all of it."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version

import httpcore2

from seewhy.errors import SeewhyError
from seewhy.schemas.http_url import HttpUrl
from seewhy_api.outgoing.address_policy import AddressNotAllowed, Network
from seewhy_api.outgoing.deadline import Deadline
from seewhy_api.outgoing.dns import Resolve, resolve
from seewhy_api.outgoing.network_backend import CheckedNetworkBackend


@cache
def _system_context() -> ssl.SSLContext:
    """Load the system's authorities, which takes tens of milliseconds, once in a process."""
    return httpcore2.default_ssl_context()


class NoAnswer(SeewhyError):
    """There was no HTTP answer.

    The message is for the operator: different ones would tell clients which internal names resolve,
    and which ports are open. It contains nothing that a server sent.
    """

    code = "no_answer"


class Answer:
    """The answer to a request, whose body is read as it arrives."""

    def __init__(self, response: httpcore2.Response) -> None:
        """Wrap a response."""
        self._response = response
        self._headers = {name.lower(): value for name, value in response.headers}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self._response.status)

    def header(self, name: str) -> str | None:
        """Return a header that is present and not empty; `name` is in lower case."""
        return self._headers.get(name.encode(), b"").decode("latin-1") or None

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, which may be endless, as it was sent. Raises as `Exchange.send` does."""
        yield from self._response.iter_stream()


class Exchange:
    """Sends requests to the public internet over https, and to `networks` over http or https.

    Thread-safe. Each request uses its own connection. No redirect is followed, no cookie kept and
    no proxy used.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """Verify certificates with `ssl_context`; the default trusts the system's authorities."""
        self._networks = tuple(networks)
        self._ssl_context = ssl_context or _system_context()
        self._resolve = resolve
        self._user_agent = f"seewhy/{version('seewhy')}"

    @contextmanager
    def send(
        self,
        method: str,
        url: HttpUrl,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        deadline: Deadline,
    ) -> Iterator[Answer]:
        """Send a request, and yield its answer until `deadline`. Raises `NoAnswer`."""
        backend = CheckedNetworkBackend(
            networks=self._networks,
            tls=url.scheme == "https",
            ssl_context=self._ssl_context,
            deadline=deadline,
            resolve=self._resolve,
        )
        sent = {
            **headers,
            "Host": url.authority,
            "User-Agent": self._user_agent,
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        target = httpcore2.URL(
            scheme=url.scheme.encode(),
            host=url.host.encode(),
            port=url.port,
            target=url.target.encode(),
        )
        # httpcore2 modifies the SSL context that it is given, so the shared one must not be passed.
        # The backend ignores this one.
        unused_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            _no_answer(),
            httpcore2.ConnectionPool(ssl_context=unused_context, network_backend=backend) as pool,
            pool.stream(method, target, headers=list(sent.items()), content=body) as response,
        ):
            yield Answer(response)


@contextmanager
def _no_answer() -> Iterator[None]:
    try:
        yield
    except (AddressNotAllowed, httpcore2.NetworkError, httpcore2.TimeoutException) as error:
        raise NoAnswer(str(error)) from error
    except TimeoutError as error:
        raise NoAnswer("No answer in time.") from error
    except httpcore2.RemoteProtocolError as error:
        raise NoAnswer("The answer is not valid HTTP.") from error
