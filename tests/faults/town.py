"""The receivers of one world's webhooks: each misbehaves in a way of its own, some for a while."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.tellings import Heard
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.types import DeliveryState
from servers.certificates import Authority
from servers.receivers import (
    Behaviour,
    Receiver,
    answer,
    drip,
    flood,
    hang,
    in_turn,
    receiving,
    reset,
    thank,
    until,
)

METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass
class Town:
    """The receivers by name: where each is, what it has heard, how its messages have to end."""

    urls: dict[str, str] = field(default_factory=dict)
    ends: dict[str, DeliveryState] = field(default_factory=dict)
    receivers: dict[str, list[Receiver]] = field(default_factory=dict)
    better: threading.Event = field(default_factory=threading.Event)
    """Set: those who answered badly answer well."""
    awake: threading.Event = field(default_factory=threading.Event)
    """Set: those who did not answer at all answer well."""
    stack: ExitStack = field(default_factory=ExitStack)

    def add(
        self,
        name: str,
        behaviour: Behaviour,
        *,
        end: DeliveryState = DeliveryState.DELIVERED,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open a receiver."""
        receiver = self.stack.enter_context(receiving(behaviour, host=host, tls=tls))
        scheme = "https" if tls else "http"
        self.urls[name] = f"{scheme}://{host}:{receiver.port}/{name}"
        self.ends[name] = end
        self.receivers[name] = [receiver]

    def open_what_was_down(self) -> None:
        """Let there be somebody where nobody has listened so far."""
        port = int(self.urls["down"].rpartition(":")[2].partition("/")[0])
        self.receivers["down"].append(self.stack.enter_context(receiving(thank, port=port)))

    def seen(self, name: str) -> int:
        """How many requests this receiver has had."""
        return sum(len(receiver.heads) for receiver in self.receivers[name])

    def thanks(self, name: str) -> int:
        """How many of them it has answered with 2xx."""
        return sum(len(receiver.thanked) for receiver in self.receivers[name])

    def heard(self) -> list[Heard]:
        """All messages that came whole."""
        return [
            Heard(name, message, thanked=message in receiver.thanked)
            for name, receivers in self.receivers.items()
            for receiver in receivers
            for message in tuple(receiver.messages)
        ]


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Open every receiver, but the one that is down, for the length of the block."""
    built = Town()
    with built.stack:
        built.add("trap", thank)
        trap = built.urls.pop("trap")  # nobody asks that it be told
        for name, behaviour in _recovering(built, trap).items():
            built.add(name, behaviour)
        built.add("tired", answer(head("410 Gone", Content_Length=0)), end=DeliveryState.REFUSED)
        unknown = Authority().server("127.0.0.1", folder)
        built.add("unknown", thank, tls=unknown, end=DeliveryState.EXHAUSTED)
        built.add("forbidden", thank, host="127.0.0.2", end=DeliveryState.EXHAUSTED)
        built.urls["down"] = f"http://127.0.0.1:{free_port()}/down"
        built.ends["down"], built.receivers["down"] = DeliveryState.DELIVERED, []
        yield built


def _recovering(built: Town, trap: str) -> dict[str, Behaviour]:
    better, awake = built.better, built.awake
    return {
        "steady": thank,
        # Of each pair of posts one is thanked for while the other hangs.
        "halting": in_turn(*(thank, hang) * 8, thank),
        "failing": until(better, answer(head("500 Oops", Content_Length=0))),
        "moved": until(better, answer(head("302 Found", Location=METADATA))),
        "elsewhere": until(better, answer(head("307 Not Here", Location=trap))),
        "busy": until(better, answer(head("429 Too Many", Retry_After=1, Content_Length=0))),
        "garrulous": until(better, flood(head("500 Oops")), flood(head("200 OK"))),
        "resetting": until(better, reset),
        "hanging": until(awake, hang),
        "dripping": until(awake, drip(b"HTTP/1.1 ", every_s=0.2)),
    }


def head(status: str, **headers: object) -> bytes:
    """Write the head of an answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
