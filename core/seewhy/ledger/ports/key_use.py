"""When API keys were used last."""

from collections.abc import Collection, Mapping
from typing import Protocol


class KeyUseLog(Protocol):
    """Remembers the last use of each key. Every method raises `LedgerUnavailable`."""

    def record(self, key_ids: Collection[str]) -> None:
        """Remember that these keys were used now."""
        ...

    def last_used_ms(self) -> Mapping[str, int]:
        """Return when each key was used last, in ms since 1970."""
        ...
