"""The headers of the Standard Webhooks specification, by which a receiver knows who wrote."""

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook


class Signer:
    """Signs with each of its secrets, so that one can be exchanged for another in peace.

    While receivers change over, old and new are both given; a receiver knows one and finds its
    signature among the others.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take `whsec_…` secrets that `seewhy.schemas.webhook_url.secrets_in` has checked, one at least."""
        if not secrets:
            raise ValueError("there is nothing to sign with")
        self._keys = [Webhook(secret) for secret in secrets]

    def headers(self, message_id: str, body: bytes, *, now_ms: int) -> dict[str, str]:
        """Return webhook-id, webhook-timestamp and webhook-signature of this attempt.

        The id is the message's and the same at every attempt; the time (ms since 1970) is the
        attempt's, because receivers refuse what was signed more than five minutes ago.
        """
        at = datetime.fromtimestamp(now_ms // 1000, UTC)
        text = body.decode()
        signatures = [key.sign(msg_id=message_id, timestamp=at, data=text) for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": " ".join(signatures),
        }
