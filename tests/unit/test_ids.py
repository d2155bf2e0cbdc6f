"""Job ids: their form, their order, and their randomness."""

import itertools
from collections.abc import Callable
from uuid import UUID

from seewhy.ids import RANDOM_BITS, job_time, new_job_id

NOW_MS = 1_764_000_000_123


def ids_of_one_millisecond(count: int) -> list[int]:
    return [UUID(new_job_id(now_ms=lambda: NOW_MS)).int for _ in range(count)]


def fixed(value: int) -> Callable[[int], int]:
    return lambda _bits: value


def test_an_id_is_a_version_7_uuid_that_carries_its_time() -> None:
    job_id = new_job_id(now_ms=lambda: NOW_MS)
    uuid = UUID(job_id)
    assert (str(uuid), uuid.version, uuid.variant) == (job_id, 7, "specified in RFC 4122")
    assert job_time(job_id).timestamp() == NOW_MS / 1000


def test_ids_sort_by_millisecond_whatever_their_random_bits_are() -> None:
    earlier = new_job_id(now_ms=lambda: NOW_MS, random_bits=fixed(2**RANDOM_BITS - 1))
    later = new_job_id(now_ms=lambda: NOW_MS + 1, random_bits=fixed(0))
    assert earlier < later


def test_every_random_bit_reaches_a_bit_of_its_own() -> None:
    empty = UUID(new_job_id(now_ms=lambda: NOW_MS, random_bits=fixed(0))).int
    changed = [
        UUID(new_job_id(now_ms=lambda: NOW_MS, random_bits=fixed(1 << bit))).int ^ empty
        for bit in range(RANDOM_BITS)
    ]
    assert len(set(changed)) == RANDOM_BITS
    assert all(each.bit_count() == 1 for each in changed)


def test_ids_of_one_millisecond_differ_in_every_random_bit() -> None:
    """Each bit differs between neighbors in half of the pairs; a counter's high bits never do."""
    ids = ids_of_one_millisecond(4_001)
    differences = [one ^ other for one, other in itertools.pairwise(ids)]
    counts = [sum(each >> bit & 1 for each in differences) for bit in range(128)]
    assert sum(1_600 < count < 2_400 for count in counts) == RANDOM_BITS
    assert sum(count == 0 for count in counts) == 128 - RANDOM_BITS
