"""Request signatures after the Standard Webhooks specification."""

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook


class Signer:
    """Signs with every configured secret, so that secrets can be rotated.

    During a rotation each request carries signatures for the old and the new secret; a receiver
    accepts it when one of them matches its own secret.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        """Use `whsec_…` secrets as `seewhy.webhook_secrets.parse_secrets` returns them.

        Raises `ValueError` when there are none.
        """
        if not secrets:
            raise ValueError("At least one webhook secret is required.")
        self._keys = [Webhook(secret) for secret in secrets]

    def headers(self, message_id: str, body: bytes, *, now_ms: int) -> dict[str, str]:
        """Return webhook-id, webhook-timestamp and webhook-signature for one attempt.

        `message_id` is the same for every attempt. `now_ms` (ms since 1970) is the time of this
        attempt: receivers refuse signatures that are more than five minutes old.
        """
        timestamp = datetime.fromtimestamp(now_ms // 1000, UTC)
        text = body.decode()
        signatures = [
            key.sign(msg_id=message_id, timestamp=timestamp, data=text) for key in self._keys
        ]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": " ".join(signatures),
        }
