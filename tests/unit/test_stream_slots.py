"""The limits on open event streams."""

from contextlib import ExitStack

import pytest

from seewhy.errors import TooManyStreams
from seewhy_api.streaming.slots import StreamSlots


def test_one_client_cannot_take_every_stream() -> None:
    slots = StreamSlots(total=3, per_client=2)
    with ExitStack() as stack:
        stack.enter_context(slots.take("greedy"))
        stack.enter_context(slots.take("greedy"))
        with pytest.raises(TooManyStreams, match=r"limit \(2\)"):
            stack.enter_context(slots.take("greedy"))
        stack.enter_context(slots.take("modest"))


def test_all_clients_together_stay_within_the_total() -> None:
    slots = StreamSlots(total=2, per_client=2)
    with slots.take("a"), slots.take("b"), pytest.raises(TooManyStreams), slots.take("c"):
        pass


def test_a_closed_stream_frees_its_slot() -> None:
    slots = StreamSlots(total=1, per_client=1)
    for _ in range(3):
        with slots.take("a"):
            pass
