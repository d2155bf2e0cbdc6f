"""So many requests at once, however many threads there are; streams are past the gate."""

import threading
from collections.abc import Iterable
from typing import Any

from seewhy_api.server import ConcurrencyLimiter
from servers.waiting import wait_until


def test_requests_beyond_the_number_wait_and_those_being_streamed_do_not_count():
    inside: list[str] = []
    leave = {name: threading.Event() for name in ("first", "second", "third")}

    def app(environ: dict[str, Any], _: Any) -> Iterable[bytes]:
        inside.append(environ["name"])
        assert leave[environ["name"]].wait(timeout=60)
        return iter([b"streamed later"])

    gate = ConcurrencyLimiter(app, at_once=2)
    answers: dict[str, Iterable[bytes]] = {}

    def ask(name: str) -> None:
        answers[name] = gate({"name": name}, None)

    threads = []
    for n, name in enumerate(leave):
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
        wait_until(lambda n=n: len(inside) == min(n + 1, 2), what=f"{name} has come")
    assert inside == ["first", "second"]
    leave["first"].set()
    wait_until(lambda: len(inside) == 3, what="the third is let in")
    assert list(answers["first"]) == [b"streamed later"]
    leave["second"].set()
    leave["third"].set()
    for thread in threads:
        thread.join(timeout=60)
    assert answers.keys() == leave.keys()


def test_a_request_that_fails_leaves_its_place():
    def app(environ: dict[str, Any], _: Any) -> Iterable[bytes]:
        if environ["fails"]:
            raise ValueError
        return [b"ok"]

    gate = ConcurrencyLimiter(app, at_once=1)
    for fails in (True, True, False):
        try:
            answer = gate({"fails": fails}, None)
        except ValueError:
            assert fails
    assert answer == [b"ok"]
