"""The records of API keys in the object store: one object per key.

The object store holds them because the service must not lose its keys with Redis.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from seewhy.access.api_key import ApiKey
from seewhy.access.records import KeyRecord, KeySecret, QuotaOverrides, Scope
from seewhy.errors import InvalidRequest, ObjectNotFound, UnknownKey
from seewhy.storage.keys import KEYS_FOLDER, key_record_key, parse_key_record_key
from seewhy.storage.port import ObjectStore

READS_AT_ONCE = 16

_log = logging.getLogger(__name__)


class KeyStore:
    """Creates, changes and reads keys. Every method raises `StoreUnavailable`.

    Changes are made by operators, one at a time: of two changes of a key at once, one is lost.
    """

    def __init__(
        self, store: ObjectStore, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Keep the records in `store`."""
        self._store = store
        self._now = now

    def create(
        self,
        *,
        tenant: str,
        scopes: Iterable[Scope],
        name: str = "",
        valid_for: timedelta | None = None,
        quota: QuotaOverrides | None = None,
    ) -> tuple[ApiKey, KeyRecord]:
        """Create a key. Its secret is in the returned key and nowhere else."""
        key, now = ApiKey.generate(), self._now()
        record = KeyRecord(
            key_id=key.key_id,
            tenant=tenant,
            scopes=frozenset(scopes),
            name=name,
            created_at=now,
            expires_at=None if valid_for is None else now + valid_for,
            secrets=(KeySecret(sha256=key.digest),),
            quota=quota or QuotaOverrides(),
        )
        self._write(record)
        return key, record

    def revoke(self, key_id: str) -> KeyRecord:
        """Revoke a key for ever. Raises `UnknownKey`."""
        record = self.require(key_id)
        if record.revoked_at is None:
            record = record.model_copy(update={"revoked_at": self._now()})
            self._write(record)
        return record

    def rotate(self, key_id: str, *, grace: timedelta) -> tuple[ApiKey, KeyRecord]:
        """Give a key a new secret. The current one stays valid for `grace`, older ones end now.

        Raises `UnknownKey`, and `InvalidRequest` for a revoked key.
        """
        record = self.require(key_id)
        if record.revoked_at is not None:
            raise InvalidRequest(f"Key {key_id} is revoked. Create a new key.")
        key = ApiKey.generate(key_id)
        previous = record.secrets[0].model_copy(update={"expires_at": self._now() + grace})
        secrets = (KeySecret(sha256=key.digest), previous)
        record = record.model_copy(update={"secrets": secrets})
        self._write(record)
        return key, record

    def read(self, key_id: str) -> KeyRecord | None:
        """Read a record; None when there is none, or when it cannot be understood."""
        try:
            return KeyRecord.model_validate_json(self._store.get(key_record_key(key_id)))
        except (ObjectNotFound, ValueError) as error:
            if isinstance(error, ValidationError):
                _log.error("The record of key %s is not valid, so nobody can use the key", key_id)
            return None

    def require(self, key_id: str) -> KeyRecord:
        """Read a record. Raises `UnknownKey`."""
        record = self.read(key_id)
        if record is None:
            raise UnknownKey("There is no key with this id.")
        return record

    def ids(self) -> frozenset[str]:
        """List the ids of all keys, also of revoked and expired ones."""
        keys = self._store.list_keys(f"{KEYS_FOLDER}/")
        return frozenset(filter(None, map(parse_key_record_key, keys)))

    def records(self) -> list[KeyRecord]:
        """Read all records, the oldest first. They may be thousands, so several at once."""
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="key-records") as threads:
            found = filter(None, threads.map(self.read, self.ids()))
        return sorted(found, key=lambda record: (record.created_at, record.key_id))

    def _write(self, record: KeyRecord) -> None:
        body = record.model_dump_json(indent=2).encode()
        self._store.put(key_record_key(record.key_id), body, content_type="application/json")
