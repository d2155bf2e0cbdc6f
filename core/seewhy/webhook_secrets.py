"""The secrets that sign webhooks, in the form of the Standard Webhooks specification."""

import base64
import binascii
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105  (a prefix, not a secret)


def generate_secret() -> str:
    """Generate a secret: `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def parse_secrets(text: str) -> tuple[str, ...]:
    """Split comma-separated secrets and check each one.

    Raises `ValueError`, which does not repeat the text, when there is no secret or when one is
    not `whsec_` and the base64 of 24 to 64 bytes.
    """
    found = tuple(secret.strip() for secret in text.split(",") if secret.strip())
    if not found:
        raise ValueError("holds no secret; generate one with `seewhy webhooks secret`")
    for number, secret in enumerate(found, 1):
        if not _is_secret(secret):
            raise ValueError(
                f"secret {number} of {len(found)} is not {SECRET_PREFIX} and the base64 of 24 to "
                "64 bytes; generate one with `seewhy webhooks secret`"
            )
    return found


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(SECRET_PREFIX) and 24 <= len(key) <= 64
