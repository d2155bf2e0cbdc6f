"""When API keys were used last, in Redis or Valkey."""

from collections.abc import Collection, Mapping

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.keys import KEY_USE
from seewhy.ledger.redis.client.scripts import Scripts


class RedisKeyUse:
    """Implements `seewhy.ledger.ports.key_use.KeyUseLog`."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._scripts = scripts

    def record(self, key_ids: Collection[str]) -> None:
        """Remember that these keys were used now."""
        if key_ids:
            self._scripts.call("keys/record_use", key_ids=sorted(key_ids))

    def last_used_ms(self) -> Mapping[str, int]:
        """Return when each key was used last, in ms since 1970."""
        with translated():
            used = self._scripts.client.hgetall(KEY_USE)
        return {key_id: int(at_ms) for key_id, at_ms in used.items()}
