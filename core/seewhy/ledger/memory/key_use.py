"""When API keys were used last, in memory."""

from collections.abc import Collection, Mapping

from seewhy.ledger.memory.state.state import LedgerState


class MemoryKeyUse:
    """Implements `seewhy.ledger.ports.key_use.KeyUseLog` with the clock of a ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Start without uses."""
        self._state = state
        self._used_ms: dict[str, int] = {}

    def record(self, key_ids: Collection[str]) -> None:
        """Remember that these keys were used now."""
        with self._state.changed:
            self._used_ms |= dict.fromkeys(key_ids, self._state.now())

    def last_used_ms(self) -> Mapping[str, int]:
        """Return when each key was used last, in ms since 1970."""
        with self._state.changed:
            return dict(self._used_ms)
