"""The webhook receivers of a run: each misbehaves in its own way, some only for a while."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.webhook_checker import ReceivedMessage
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.types import DeliveryState
from servers.certificates import CertificateAuthority
from servers.receivers import (
    Behavior,
    Receiver,
    acknowledge,
    answer,
    drip,
    flood,
    hang,
    in_turn,
    misbehave_until,
    receiving,
    reset,
)

METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass
class WebhookReceivers:
    """Receivers by name: their URLs, what they received, and the expected delivery states."""

    urls: dict[str, str] = field(default_factory=dict)
    expected: dict[str, DeliveryState] = field(default_factory=dict)
    receivers: dict[str, list[Receiver]] = field(default_factory=dict)
    errors_over: threading.Event = field(default_factory=threading.Event)
    """Set: receivers that answered with errors answer 204."""
    hangs_over: threading.Event = field(default_factory=threading.Event)
    """Set: receivers that did not answer answer 204."""
    stack: ExitStack = field(default_factory=ExitStack)

    def add(
        self,
        name: str,
        behavior: Behavior,
        *,
        expected: DeliveryState = DeliveryState.DELIVERED,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Start a receiver."""
        receiver = self.stack.enter_context(receiving(behavior, host=host, tls=tls))
        scheme = "https" if tls else "http"
        self.urls[name] = f"{scheme}://{host}:{receiver.port}/{name}"
        self.expected[name] = expected
        self.receivers[name] = [receiver]

    def start_down_receiver(self) -> None:
        """Start the receiver `down`, at the port where nothing has listened so far."""
        port = int(self.urls["down"].rpartition(":")[2].partition("/")[0])
        self.receivers["down"].append(self.stack.enter_context(receiving(acknowledge, port=port)))

    def request_count(self, name: str) -> int:
        """Return how many requests a receiver got."""
        return sum(len(receiver.heads) for receiver in self.receivers[name])

    def acknowledged_count(self, name: str) -> int:
        """Return how many requests a receiver answered with 2xx."""
        return sum(len(receiver.acknowledged) for receiver in self.receivers[name])

    def received(self) -> list[ReceivedMessage]:
        """Return every complete message."""
        return [
            ReceivedMessage(name, message, acknowledged=message in receiver.acknowledged)
            for name, receivers in self.receivers.items()
            for receiver in receivers
            for message in tuple(receiver.messages)
        ]


@contextmanager
def start_receivers(folder: Path) -> Iterator[WebhookReceivers]:
    """Run every receiver except `down` for the length of the block."""
    started = WebhookReceivers()
    with started.stack:
        started.add("redirect-target", acknowledge)
        redirect_target = started.urls.pop("redirect-target")  # no job asks for it
        for name, behavior in _recovering(started, redirect_target).items():
            started.add(name, behavior)
        gone = answer(response_head("410 Gone", Content_Length=0))
        started.add("gone", gone, expected=DeliveryState.REFUSED)
        untrusted = CertificateAuthority().server_context("127.0.0.1", folder)
        started.add("untrusted", acknowledge, tls=untrusted, expected=DeliveryState.EXHAUSTED)
        started.add("forbidden", acknowledge, host="127.0.0.2", expected=DeliveryState.EXHAUSTED)
        started.urls["down"] = f"http://127.0.0.1:{free_port()}/down"
        started.expected["down"], started.receivers["down"] = DeliveryState.DELIVERED, []
        yield started


def _recovering(receivers: WebhookReceivers, redirect_target: str) -> dict[str, Behavior]:
    errors_over, hangs_over = receivers.errors_over, receivers.hangs_over
    error = answer(response_head("500 Oops", Content_Length=0))
    redirect = answer(response_head("307 Not Here", Location=redirect_target))
    busy = answer(response_head("429 Too Many", Retry_After=1, Content_Length=0))
    return {
        "steady": acknowledge,
        # Of each two concurrent requests, one is answered and the other hangs.
        "half-hanging": in_turn(*(acknowledge, hang) * 8, acknowledge),
        "failing": misbehave_until(errors_over, error),
        "redirecting-to-metadata": misbehave_until(
            errors_over, answer(response_head("302 Found", Location=METADATA))
        ),
        "redirecting": misbehave_until(errors_over, redirect),
        "busy": misbehave_until(errors_over, busy),
        "flooding": misbehave_until(
            errors_over, flood(response_head("500 Oops")), flood(response_head("200 OK"))
        ),
        "resetting": misbehave_until(errors_over, reset),
        "hanging": misbehave_until(hangs_over, hang),
        "dripping": misbehave_until(hangs_over, drip(b"HTTP/1.1 ", every_s=0.2)),
    }


def response_head(status: str, **headers: object) -> bytes:
    """Return the status line and headers of an HTTP response."""
    lines = [f"HTTP/1.1 {status}", *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
