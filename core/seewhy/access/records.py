"""The record of an API key, as the object store keeps it."""

import hmac
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from seewhy.schemas.context import TENANT_PATTERN


class Scope(StrEnum):
    """What a key allows. No scope reaches the jobs of another tenant."""

    SUBMIT = "submit"
    """Submit images, and with `read` also cancel and redeliver."""
    READ = "read"
    """Read the tenant's explanations."""
    ADMIN = "admin"
    """List and revoke the tenant's keys."""


class KeyStatus(StrEnum):
    """Whether a key is valid."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeySecret(BaseModel):
    """The digest of a secret, and until when the secret is valid."""

    model_config = ConfigDict(frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    expires_at: AwareDatetime | None = None


class QuotaOverrides(BaseModel):
    """The quotas of one key. None stands for the setting."""

    model_config = ConfigDict(frozen=True)

    open_jobs: int | None = Field(None, ge=1)
    submissions_per_minute: int | None = Field(None, ge=1)
    passes_per_minute: int | None = Field(None, ge=1)
    uploads_per_minute: int | None = Field(None, ge=1)
    uploaded_bytes_per_minute: int | None = Field(None, ge=1)


class KeyRecord(BaseModel):
    """Everything about a key except its secret, of which it holds digests."""

    model_config = ConfigDict(frozen=True)

    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    tenant: str = Field(pattern=f"^{TENANT_PATTERN}$")
    scopes: frozenset[Scope]
    name: str = Field("", max_length=100)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    secrets: tuple[KeySecret, ...] = Field(min_length=1)
    """The current secret, and after a rotation the earlier one."""
    quota: QuotaOverrides = QuotaOverrides()

    def accepts(self, digest: str, *, now: datetime) -> bool:
        """Whether a valid secret has this SHA-256, compared in constant time."""
        matches = [
            hmac.compare_digest(secret.sha256, digest)
            for secret in self.secrets
            if secret.expires_at is None or now < secret.expires_at
        ]
        return any(matches)

    def status(self, *, now: datetime) -> KeyStatus:
        """Return whether the key is valid."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE
