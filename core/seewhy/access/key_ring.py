"""The keys that an API process knows: a cache, so that a request costs no call to the store.

- A record is used for `REFRESH_S` after its read began. The next request then reads it again, so a
  revocation works within `MAX_AGE_S`. That there is no valid record is remembered, too: a deleted
  key causes no more reads than others.
- Only ids that the store lists are ever read, and the list is read at most every `LIST_S`: invented
  keys cause no further calls, however many there are.
- While the store is unavailable, known keys stay valid for `OUTAGE_S`. A key that is not known
  cannot be judged then: `StoreUnavailable`.
"""

import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import KeyRecord, KeyStatus
from seewhy.errors import StoreUnavailable, Unauthenticated

REFRESH_S = 5.0
MAX_AGE_S = 10.0
LIST_S = 2.0
OUTAGE_S = 3600.0
SLOW_S = 0.25
RETRY_S = 5.0
"""How long the store is not asked after a failure that took `SLOW_S`: a store that hangs must not
hold up every request."""

Answer = TypeVar("Answer")

_NO_DIGEST = "0" * 64
_INVALID = "This API key is not valid."


@dataclass(frozen=True, slots=True)
class _Entry:
    record: KeyRecord | None
    """None when the store has no valid record."""
    read_at_s: float
    """When the read began: its answer may have come much later."""


class KeyRing:
    """Authenticates keys. One per process, shared by its threads."""

    def __init__(
        self,
        keys: KeyStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read `keys`. `clock` returns seconds, `now` the time that expiry dates refer to."""
        self._keys = keys
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._refreshing: set[str] = set()
        self._ids: frozenset[str] = frozenset()
        self._listed_at_s: float | None = None
        self._retry_at_s = -1.0

    def authenticate(self, text: str, *, may_list: bool = True) -> KeyRecord:
        """Return the record of a valid key.

        `may_list=False` does not look for keys created in the last seconds. Raises
        `Unauthenticated`, and `StoreUnavailable` when the store must be asked and does not answer.
        """
        key = ApiKey.parse(text)
        if key is None:
            raise Unauthenticated(_INVALID, invalid=True)
        record = self._find(key.key_id, may_list=may_list)
        now = self._now()
        if record is None:
            hmac.compare_digest(key.digest, _NO_DIGEST)
            raise Unauthenticated(_INVALID, invalid=True)
        if not record.accepts(key.digest, now=now):
            raise Unauthenticated(_INVALID, invalid=True)
        status = record.status(now=now)
        if status is not KeyStatus.ACTIVE:
            raise Unauthenticated(f"This API key is {status}.", invalid=True)
        return record

    def has_keys(self) -> bool:
        """Whether the store has any key, revoked ones included, as of the last `REFRESH_S`.

        Raises `StoreUnavailable` when the store has never answered.
        """
        if self._ids:
            return True
        try:
            self._list(max_age_s=REFRESH_S)
        except StoreUnavailable:
            if self._listed_at_s is None:
                raise
        return bool(self._ids)

    def _find(self, key_id: str, *, may_list: bool) -> KeyRecord | None:
        with self._lock:
            entry = self._entries.get(key_id)
            age_s = self._clock() - entry.read_at_s if entry else 0.0
            if entry and age_s < (MAX_AGE_S if key_id in self._refreshing else REFRESH_S):
                return entry.record
        if entry is None and key_id not in self._ids:
            if not may_list:
                return None
            self._list(max_age_s=LIST_S)
            if key_id not in self._ids:
                return None
        return self._refresh(key_id, entry)

    def _refresh(self, key_id: str, entry: _Entry | None) -> KeyRecord | None:
        with self._lock:
            self._refreshing.add(key_id)
        started_s = self._clock()
        try:
            record = self._ask(lambda: self._keys.read(key_id))
        except StoreUnavailable:
            if entry and self._clock() - entry.read_at_s < OUTAGE_S:
                return entry.record
            raise
        finally:
            with self._lock:
                self._refreshing.discard(key_id)
        with self._lock:
            self._entries[key_id] = _Entry(record, started_s)
        return record

    def _list(self, *, max_age_s: float) -> None:
        with self._listing:
            listed_at_s = self._listed_at_s
            if listed_at_s is None or self._clock() - listed_at_s >= max_age_s:
                self._ids = self._ask(self._keys.ids)
                self._listed_at_s = self._clock()

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Call the store, unless it failed a moment ago."""
        started_s = self._clock()
        if started_s < self._retry_at_s:
            raise StoreUnavailable("The object store did not answer a moment ago.")
        try:
            return call()
        except StoreUnavailable:
            now_s = self._clock()
            if now_s - started_s >= SLOW_S:
                self._retry_at_s = now_s + RETRY_S
            raise
