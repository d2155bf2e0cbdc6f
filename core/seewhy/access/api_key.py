"""The form of an API key.

`seewhy_<id>_<secret><checksum>`, in lower-case hex: a public id of 64 bits, a secret of 256 bits
and a CRC-32 of all before it. Secret scanners recognize the prefix, and the checksum refuses
mistyped keys without a lookup.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Self

PREFIX = "seewhy"

_KEY = re.compile(rf"({PREFIX}_([0-9a-f]{{16}})_([0-9a-f]{{64}}))([0-9a-f]{{8}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An id, which is public, and a secret, which only its owner keeps."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls, key_id: str | None = None) -> Self:
        """Generate a secret, and an id unless one is given."""
        return cls(key_id or secrets.token_hex(8), secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the text of a key; None when it is not one, or its checksum is wrong."""
        match = _KEY.fullmatch(text)
        if match is None or _checksum(match[1]) != match[4]:
            return None
        return cls(match[2], match[3])

    @property
    def text(self) -> str:
        """The key as its owner writes it."""
        body = f"{PREFIX}_{self.key_id}_{self.secret}"
        return body + _checksum(body)

    @property
    def digest(self) -> str:
        """The SHA-256 of the secret. A fast hash is right for a random secret of 256 bits."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
