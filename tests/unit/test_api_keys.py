"""API keys: their form, their records and the cache of a process."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.access.api_key import ApiKey
from seewhy.access.key_ring import LIST_S, MAX_AGE_S, OUTAGE_S, REFRESH_S, RETRY_S, KeyRing
from seewhy.access.key_store import KeyStore
from seewhy.access.records import KeyStatus, Scope
from seewhy.errors import InvalidRequest, StoreUnavailable, Unauthenticated, UnknownKey
from seewhy.storage.keys import key_record_key
from seewhy.storage.obstore_adapter import ObstoreAdapter, memory_store
from seewhy.storage.port import ObjectStore

HANGS_S = 2.0
"""How long an unavailable store takes to fail."""
START = datetime(2026, 1, 1, tzinfo=UTC)


class CountingStore(ObstoreAdapter):
    """A memory store that counts reads and lists, and that can be unavailable."""

    def __init__(self, clock: "Clock") -> None:
        store = memory_store()
        assert isinstance(store, ObstoreAdapter)
        super().__init__(store._store)
        self.clock = clock
        self.calls = 0
        self.is_down = False

    def get(self, key: str) -> bytes:
        self._count()
        return super().get(key)

    def list_keys(self, prefix: str) -> Iterator[str]:
        self._count()
        yield from super().list_keys(prefix)

    def _count(self) -> None:
        self.calls += 1
        if self.is_down:
            self.clock.seconds += HANGS_S
            raise StoreUnavailable("down")


class Clock:
    """Seconds and dates that move together."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


class Keys:
    """A store of keys, and the ring of a process that reads it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.objects = CountingStore(self.clock)
        self.store = KeyStore(self.objects, now=self.clock.now)
        self.ring = KeyRing(
            KeyStore(self.objects), clock=lambda: self.clock.seconds, now=self.clock.now
        )

    def create(self, *, valid_for: timedelta | None = None) -> ApiKey:
        key, _ = self.store.create(tenant="a", scopes=Scope, valid_for=valid_for)
        return key

    def accepts(self, key: ApiKey) -> bool:
        try:
            return self.ring.authenticate(key.text).key_id == key.key_id
        except Unauthenticated:
            return False

    def calls_of(self, key: ApiKey) -> int:
        before = self.objects.calls
        self.accepts(key)
        return self.objects.calls - before


@pytest.fixture
def keys() -> Keys:
    return Keys()


def test_a_key_has_the_prefix_an_id_and_a_secret_of_256_bits() -> None:
    key = ApiKey.generate()
    assert re.fullmatch(r"seewhy_[0-9a-f]{16}_[0-9a-f]{72}", key.text)
    assert ApiKey.parse(key.text) == key
    assert len({ApiKey.generate().secret for _ in range(100)}) == 100


def test_the_secret_is_not_in_the_repr() -> None:
    key = ApiKey.generate()
    assert key.secret not in repr(key)


@given(
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.data(),
)
def test_a_key_with_a_wrong_character_is_refused(
    key_id: str, secret: str, data: st.DataObject
) -> None:
    key = ApiKey(key_id, secret)
    place = data.draw(st.integers(0, len(key.text) - 1))
    other = data.draw(
        st.sampled_from("0123456789abcdefgxyz_ ").filter(lambda c: c != key.text[place])
    )
    assert ApiKey.parse(key.text[:place] + other + key.text[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "seewhy", "x" * 10_000, "seewhy__", "schlüssel", "\x00"])
def test_other_texts_are_no_keys(text: str) -> None:
    assert ApiKey.parse(text) is None


def test_the_record_holds_the_digest_and_never_the_secret(keys: Keys) -> None:
    key = keys.create()
    stored = keys.objects.get(key_record_key(key.key_id)).decode()
    assert key.digest in stored
    assert key.secret not in stored


def test_a_revoked_key_stays_revoked(keys: Keys) -> None:
    key = keys.create()
    keys.store.revoke(key.key_id)
    revoked_at = keys.store.require(key.key_id).revoked_at
    keys.clock.seconds += 5
    assert keys.store.revoke(key.key_id).revoked_at == revoked_at
    with pytest.raises(InvalidRequest, match="revoked"):
        keys.store.rotate(key.key_id, grace=timedelta(0))
    assert not keys.accepts(key)


def test_an_unknown_key_cannot_be_changed(keys: Keys) -> None:
    for key_id in ("0" * 16, "../../etc", ""):
        with pytest.raises(UnknownKey):
            keys.store.revoke(key_id)


def test_after_a_rotation_both_secrets_work_until_the_grace_ends(keys: Keys) -> None:
    old = keys.create()
    new, record = keys.store.rotate(old.key_id, grace=timedelta(hours=1))
    assert new.key_id == old.key_id
    assert new.secret != old.secret
    assert record.status(now=keys.clock.now()) is KeyStatus.ACTIVE
    assert keys.accepts(old)
    assert keys.accepts(new)
    keys.clock.seconds += 3600
    assert not keys.accepts(old)
    assert keys.accepts(new)


def test_a_second_rotation_ends_the_oldest_secret_at_once(keys: Keys) -> None:
    first = keys.create()
    second, _ = keys.store.rotate(first.key_id, grace=timedelta(hours=1))
    third, _ = keys.store.rotate(first.key_id, grace=timedelta(hours=1))
    assert [keys.accepts(key) for key in (first, second, third)] == [False, True, True]


def test_a_key_expires(keys: Keys) -> None:
    key = keys.create(valid_for=timedelta(minutes=1))
    assert keys.accepts(key)
    keys.clock.seconds += 60
    with pytest.raises(Unauthenticated, match="expired"):
        keys.ring.authenticate(key.text)


def test_the_state_of_a_key_is_told_only_to_who_has_its_secret(keys: Keys) -> None:
    key = keys.create()
    keys.store.revoke(key.key_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        keys.ring.authenticate(key.text)
    with pytest.raises(Unauthenticated, match="not valid"):
        keys.ring.authenticate(ApiKey.generate(key.key_id).text)


def test_a_known_key_costs_no_call_to_the_store(keys: Keys) -> None:
    key = keys.create()
    assert keys.calls_of(key) == 2, "one list and one read"
    keys.clock.seconds += REFRESH_S - 0.1
    assert keys.calls_of(key) == 0
    assert keys.calls_of(ApiKey.generate(key.key_id)) == 0, "a wrong secret"
    keys.clock.seconds += 0.1
    assert keys.calls_of(key) == 1, "it is read again"


def test_while_one_request_reads_a_record_again_the_others_do_not_wait(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.create()
    assert keys.accepts(key)
    keys.clock.seconds += REFRESH_S
    reads, answer = threading.Event(), threading.Event()
    get = keys.objects.get

    def hang(name: str) -> bytes:
        reads.set()
        assert answer.wait(30)
        return get(name)

    monkeypatch.setattr(keys.objects, "get", hang)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(keys.accepts, key)
        assert reads.wait(30)
        assert keys.accepts(key), "this would hang, too"
        answer.set()
        assert first.result(timeout=30)


def test_a_revocation_works_within_ten_seconds(keys: Keys) -> None:
    key = keys.create()
    assert keys.accepts(key)
    keys.store.revoke(key.key_id)
    keys.clock.seconds += MAX_AGE_S
    assert MAX_AGE_S == 10
    assert not keys.accepts(key)


def test_a_revocation_works_within_ten_seconds_even_if_the_store_answers_late(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.create()
    get = keys.objects.get

    def answer_late(name: str) -> bytes:
        record = get(name)
        keys.clock.seconds += MAX_AGE_S - 1
        return record

    with monkeypatch.context() as late:
        late.setattr(keys.objects, "get", answer_late)
        assert keys.accepts(key)
    keys.store.revoke(key.key_id)
    keys.clock.seconds += 1
    assert not keys.accepts(key)


def test_a_new_key_works_within_two_seconds(keys: Keys) -> None:
    keys.accepts(keys.create())
    key = keys.create()
    keys.clock.seconds += LIST_S
    assert LIST_S == 2
    assert keys.accepts(key)


def test_invented_keys_cause_one_list_in_two_seconds_however_many_there_are(keys: Keys) -> None:
    keys.create()
    calls = sum(keys.calls_of(ApiKey.generate()) for _ in range(100))
    assert calls == 1
    keys.clock.seconds += LIST_S
    assert sum(keys.calls_of(ApiKey.generate()) for _ in range(100)) == 1


def test_keys_without_a_valid_record_cause_one_read_in_five_seconds(keys: Keys) -> None:
    deleted, broken = keys.create(), keys.create()
    assert keys.accepts(deleted)
    keys.objects.delete(key_record_key(deleted.key_id))
    keys.objects.put(key_record_key(broken.key_id), b"{}", content_type="application/json")
    for _ in range(2):
        keys.clock.seconds += REFRESH_S
        for key in (deleted, broken):
            assert sum(keys.calls_of(key) for _ in range(50)) == 1
            assert not keys.accepts(key)


def test_malformed_keys_cause_no_call(keys: Keys) -> None:
    for text in ("", "x", ApiKey.generate().text[:-1]):
        with pytest.raises(Unauthenticated):
            keys.ring.authenticate(text)
    assert keys.objects.calls == 0


def test_while_the_store_is_unavailable_known_keys_work_for_an_hour(keys: Keys) -> None:
    known, unknown = keys.create(), keys.create()
    assert keys.accepts(known)
    keys.objects.is_down = True
    keys.clock.seconds += MAX_AGE_S
    assert keys.accepts(known)
    with pytest.raises(StoreUnavailable):
        keys.ring.authenticate(unknown.text)
    with pytest.raises(StoreUnavailable):
        keys.ring.authenticate(ApiKey.generate().text)
    keys.clock.seconds += OUTAGE_S
    with pytest.raises(StoreUnavailable):
        keys.accepts(known)
    keys.objects.is_down = False
    keys.clock.seconds += RETRY_S
    assert keys.accepts(known)
    assert keys.accepts(unknown)


def test_a_store_that_hangs_is_asked_once_in_five_seconds(keys: Keys) -> None:
    key = keys.create()
    keys.accepts(key)
    keys.objects.is_down = True
    keys.clock.seconds += MAX_AGE_S
    assert sum(keys.calls_of(key) for _ in range(50)) == 1
    keys.clock.seconds += RETRY_S
    assert RETRY_S == 5
    assert keys.calls_of(key) == 1


def test_a_deleted_record_ends_its_key(keys: Keys) -> None:
    key = keys.create()
    assert keys.accepts(key)
    keys.objects.delete(key_record_key(key.key_id))
    keys.clock.seconds += MAX_AGE_S
    assert not keys.accepts(key)


def test_a_record_that_is_not_valid_admits_nobody_and_hides_no_other(keys: Keys) -> None:
    key, other = keys.create(), keys.create()
    keys.objects.put(key_record_key(key.key_id), b'{"key_id": 7}', content_type="application/json")
    assert not keys.accepts(key)
    assert [record.key_id for record in keys.store.records()] == [other.key_id]


def test_a_ring_knows_whether_there_are_keys_and_remembers_it_in_an_outage(keys: Keys) -> None:
    keys.objects.is_down = True
    with pytest.raises(StoreUnavailable):
        keys.ring.has_keys()
    keys.objects.is_down = False
    keys.clock.seconds += RETRY_S
    assert not keys.ring.has_keys()
    keys.objects.is_down = True
    keys.clock.seconds += REFRESH_S
    assert not keys.ring.has_keys()
    keys.objects.is_down = False
    keys.create()
    keys.clock.seconds += RETRY_S
    assert keys.ring.has_keys()


def test_objects_that_are_no_keys_are_ignored(keys: Keys) -> None:
    store: ObjectStore = keys.objects
    for name in (
        "keys/readme.txt",
        "keys/0123456789abcdef.json.old",
        "keys/a/0123456789abcdef.json",
    ):
        store.put(name, b"x", content_type="text/plain")
    assert keys.store.ids() == frozenset()
    assert not keys.ring.has_keys()
