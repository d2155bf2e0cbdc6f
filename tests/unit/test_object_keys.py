"""Job ids and object keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.ids import job_time, new_job_id
from seewhy.storage.agreement_keys import AgreementKey, deletion_name, parse_agreement_name
from seewhy.storage.keys import (
    EPOCH_KEY,
    JobKey,
    JobObject,
    ResultKey,
    event_key,
    hour_prefix,
    image_id_of,
    image_key,
    manifest_key,
    outcome_key,
    parse_job_key,
    parse_result_key,
    received_ms_of,
    result_key,
    result_prefix,
)

# RFC 9562, appendix A.6: created on 22 February 2022 at 19:22:22 UTC.
RFC_EXAMPLE = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
LAST_MS_OF_YEAR_9999 = 253_402_300_799_999
FIRST_MS_OF_YEAR_1970 = 0


def uuid7_at(milliseconds: int, *, random: int = 0) -> str:
    return str(UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62) | random))


times_ms = st.integers(FIRST_MS_OF_YEAR_1970, LAST_MS_OF_YEAR_9999)
job_ids = st.builds(uuid7_at, times_ms, random=st.integers(0, (1 << 62) - 1))
fences = st.integers(0, 1 << 63)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}(\.[a-z0-9_-]{1,8}){0,2}", fullmatch=True)


def test_a_new_id_is_of_version_7_and_has_the_current_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    job_id = new_job_id()
    assert UUID(job_id).version == 7
    assert before <= job_time(job_id) <= datetime.now(UTC)


def test_ids_are_unique() -> None:
    assert len({new_job_id() for _ in range(10_000)}) == 10_000


def test_the_time_of_the_rfc_example_is_exact() -> None:
    assert job_time(RFC_EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


@given(times_ms)
def test_the_time_of_an_id_is_exact_to_the_millisecond(milliseconds: int) -> None:
    elapsed = job_time(uuid7_at(milliseconds)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert elapsed / timedelta(milliseconds=1) == milliseconds


@pytest.mark.parametrize(
    "invalid",
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
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",  # version 4
        "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",  # another variant
        uuid7_at(LAST_MS_OF_YEAR_9999 + 1),
    ],
)
def test_an_invalid_job_id_makes_no_key(invalid: str) -> None:
    for make in (job_time, manifest_key, outcome_key, result_prefix):
        with pytest.raises(ValueError):  # noqa: PT011  (the message is uuid's own)
            make(invalid)
    with pytest.raises(ValueError):  # noqa: PT011
        result_key(invalid, 1, "map.npy")


def test_keys_have_the_documented_form() -> None:
    digest = "0123456789abcdef" * 4
    tenant = "37a8eec1ce19687d132fe29051dca629"  # the start of `printf default | sha256sum`
    assert image_key(digest, tenant="default") == f"images/{tenant}/{digest}"
    assert manifest_key(RFC_EXAMPLE) == f"jobs/2022/02/22/19/{RFC_EXAMPLE}.json"
    assert outcome_key(RFC_EXAMPLE) == f"jobs/2022/02/22/19/{RFC_EXAMPLE}.final.json"
    assert result_key(RFC_EXAMPLE, 12, "map.npy") == f"results/{RFC_EXAMPLE}/12/map.npy"
    assert result_prefix(RFC_EXAMPLE) == f"results/{RFC_EXAMPLE}/"


def test_a_manifest_changes_folder_exactly_on_the_hour() -> None:
    hour_ms = 3_600_000
    assert manifest_key(uuid7_at(hour_ms - 1)).startswith("jobs/1970/01/01/00/")
    assert manifest_key(uuid7_at(hour_ms)).startswith("jobs/1970/01/01/01/")


@given(job_ids)
def test_manifest_and_outcome_keys_parse_to_their_job(job_id: str) -> None:
    assert parse_job_key(manifest_key(job_id)) == JobKey(job_id, JobObject.MANIFEST)
    assert parse_job_key(outcome_key(job_id)) == JobKey(job_id, JobObject.OUTCOME)
    for key in (manifest_key(job_id), outcome_key(job_id)):
        assert key.startswith(hour_prefix(job_time(job_id)))
        assert parse_result_key(key) is None


@given(job_ids, fences, names)
def test_result_keys_parse_to_their_parts(job_id: str, fence: int, name: str) -> None:
    key = result_key(job_id, fence, name)
    assert parse_result_key(key) == ResultKey(job_id, fence, name)
    assert key.startswith(result_prefix(job_id))
    assert parse_job_key(key) is None


@given(st.text() | st.text("0123456789abcdef-/.").map("results/{}".format))
def test_any_text_parses_only_if_it_is_the_key_of_what_it_parses_to(text: str) -> None:
    result = parse_result_key(text)
    assert result is None or result_key(result.job_id, result.fence, result.name) == text
    job = parse_job_key(text)
    assert job is None or text in {manifest_key(job.job_id), outcome_key(job.job_id)}


@pytest.mark.parametrize(
    "key",
    [
        "",
        EPOCH_KEY,
        f"images/{'0' * 64}",
        f"jobs/2022/02/22/19/{RFC_EXAMPLE}",
        f"jobs/2022/02/22/19/{RFC_EXAMPLE}.txt",
        f"jobs/2022/02/22/19/{RFC_EXAMPLE}.json#123",
        f"jobs/2022/02/22/20/{RFC_EXAMPLE}.json",  # another hour
        "jobs/2022/02/22/19/stray.json",
        f"results/{RFC_EXAMPLE}/map.npy",
        f"results/{RFC_EXAMPLE}/01/map.npy",
        f"results/{RFC_EXAMPLE}/-1/map.npy",
        f"results/{RFC_EXAMPLE}/1/Map.npy",
        f"results/{RFC_EXAMPLE}/1/2/map.npy",
        "results/stray/1/map.npy",
    ],
)
def test_other_keys_do_not_parse(key: str) -> None:
    assert parse_job_key(key) is None
    assert parse_result_key(key) is None


@pytest.mark.parametrize(
    "digest", ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61, "0" * 64 + "\n"]
)
def test_an_invalid_sha256_makes_no_image_key(digest: str) -> None:
    with pytest.raises(ValueError, match="Not the id of an image"):
        image_key(digest, tenant="default")


def test_tenants_share_no_image_key() -> None:
    names = ("a", "A", ".a", "a.", "..", "default")
    keys = {image_key("0" * 64, tenant=name) for name in names}
    assert len(keys) == len(names)
    assert {image_id_of(key) for key in keys} == {"0" * 64}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../map.npy", "a/b", "Map.npy", ".hidden", "a..b", "a\n"]
)
def test_an_invalid_file_name_makes_no_result_key(name: str) -> None:
    with pytest.raises(ValueError, match="Not a result name"):
        result_key(RFC_EXAMPLE, 1, name)


def test_a_negative_fence_makes_no_result_key() -> None:
    with pytest.raises(ValueError, match="Not a fence"):
        result_key(RFC_EXAMPLE, -1, "map.npy")


@given(
    st.builds(
        AgreementKey,
        task=st.integers(0, 2**63 - 1),
        annotation=st.integers(0, 2**63 - 1),
        updated_ms=st.integers(0, 2**62),
        energy=st.sampled_from(["none", "empty"])
        | st.integers(0, 10_000).map(lambda n: n / 10_000),
        job_id=st.uuids().map(str),
    )
)
def test_the_key_of_an_agreement_parses_to_what_it_was_made_of(key: AgreementKey) -> None:
    assert parse_agreement_name(key.name) == key


def test_other_keys_are_no_agreements() -> None:
    for name in ("", deletion_name(3), "4/2-1-00500-x.json", "4/2-1-500-" + RFC_EXAMPLE + ".json"):
        assert parse_agreement_name(name) is None
    with pytest.raises(ValueError, match="invalid literal"):
        received_ms_of("label-studio-events/t/stray.json")
    key = event_key(b"{}", received_ms=17, tenant="t")
    assert received_ms_of(key) == 17
