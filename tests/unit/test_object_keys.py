"""Ids and keys: pure functions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.ids import job_time, new_job_id
from seewhy.storage.keys import image_key, manifest_key, outcome_key, result_key, result_prefix

# RFC 9562, appendix A.6: made on 22 February 2022 at 19:22:22 UTC.
RFC_EXAMPLE = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
LAST_MS_OF_YEAR_9999 = 253_402_300_799_999


def uuid7_at(milliseconds: int) -> str:
    return str(UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62)))


def test_a_new_id_is_of_version_7_and_of_this_moment() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    job_id = new_job_id()
    assert UUID(job_id).version == 7
    assert before <= job_time(job_id) <= datetime.now(UTC)


def test_ids_are_unique_and_sort_by_their_making() -> None:
    ids = [new_job_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def test_the_time_of_the_rfc_s_example() -> None:
    assert job_time(RFC_EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


@given(st.integers(0, LAST_MS_OF_YEAR_9999))
def test_the_time_of_an_id_is_exact_to_the_millisecond(milliseconds: int) -> None:
    passed = job_time(uuid7_at(milliseconds)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert passed / timedelta(milliseconds=1) == milliseconds


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "..",
        "not-a-uuid",
        RFC_EXAMPLE.upper(),
        f"{{{RFC_EXAMPLE}}}",
        f"urn:uuid:{RFC_EXAMPLE}",
        RFC_EXAMPLE.replace("-", ""),
        f"{RFC_EXAMPLE}\n",
        f"../{RFC_EXAMPLE}",
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",  # of version 4
        "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",  # not the RFC's variant
        uuid7_at(LAST_MS_OF_YEAR_9999 + 1),
    ],
)
def test_what_is_not_a_job_id_makes_no_key(forged: str) -> None:
    ids = (job_time, manifest_key, outcome_key, result_prefix)
    for make in (*ids, lambda x: result_key(x, 1, "map.npy")):
        with pytest.raises(ValueError):  # noqa: PT011  (uuid words it in its own way)
            make(forged)


def test_keys_lie_where_the_design_says() -> None:
    digest = "0123456789abcdef" * 4
    assert image_key(digest) == f"images/{digest}"
    assert manifest_key(RFC_EXAMPLE) == f"jobs/2022/02/22/19/{RFC_EXAMPLE}.json"
    assert outcome_key(RFC_EXAMPLE) == f"jobs/2022/02/22/19/{RFC_EXAMPLE}.final.json"
    assert result_key(RFC_EXAMPLE, 12, "map.npy") == f"results/{RFC_EXAMPLE}/12/map.npy"
    assert result_prefix(RFC_EXAMPLE) == f"results/{RFC_EXAMPLE}/"


def test_a_manifest_changes_folder_on_the_hour_exactly() -> None:
    hour_ms = 3_600_000
    assert manifest_key(uuid7_at(hour_ms - 1)).startswith("jobs/1970/01/01/00/")
    assert manifest_key(uuid7_at(hour_ms)).startswith("jobs/1970/01/01/01/")


@pytest.mark.parametrize(
    "digest", ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61, "0" * 64 + "\n"]
)
def test_what_is_not_a_sha256_makes_no_image_key(digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        image_key(digest)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../map.npy", "a/b", "Map.npy", ".hidden", "a..b", "a\n"]
)
def test_what_is_not_a_plain_file_name_makes_no_result_key(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a result"):
        result_key(RFC_EXAMPLE, 1, name)


def test_a_negative_fence_makes_no_result_key() -> None:
    with pytest.raises(ValueError, match="not a fence"):
        result_key(RFC_EXAMPLE, -1, "map.npy")
