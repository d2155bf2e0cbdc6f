"""The limits on what is open at once."""

from contextlib import ExitStack

import pytest

from seewhy.errors import TooManyStreams
from seewhy_api.http.slots import ClientSlots


def make_slots(*, total: int, per_client: int) -> ClientSlots:
    return ClientSlots(
        total=total,
        per_client=per_client,
        refusal=lambda limit: TooManyStreams(f"limit ({limit})", retry_after_s=1),
    )


def test_one_client_cannot_take_every_stream() -> None:
    slots = make_slots(total=3, per_client=2)
    with ExitStack() as stack:
        stack.enter_context(slots.take("greedy"))
        stack.enter_context(slots.take("greedy"))
        with pytest.raises(TooManyStreams, match=r"limit \(2\)"):
            stack.enter_context(slots.take("greedy"))
        stack.enter_context(slots.take("modest"))


def test_all_clients_together_stay_within_the_total() -> None:
    slots = make_slots(total=2, per_client=2)
    with slots.take("a"), slots.take("b"), pytest.raises(TooManyStreams), slots.take("c"):
        pass


def test_a_closed_stream_frees_its_slot() -> None:
    slots = make_slots(total=1, per_client=1)
    for _ in range(3):
        with slots.take("a"):
            pass
