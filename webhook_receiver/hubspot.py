"""HubSpot's signature, version 3.

``base64(HMAC-SHA256(secret, method + URL + body + timestamp))``. Versions 1 and 2 prove
neither when nor, in part, where a request was sent, so they are not accepted.
"""

import base64
import hashlib
import hmac
import re

from webhook_receiver.delivery import Delivery, Sender, SignatureError

_SIGNATURE = "x-hubspot-signature-v3"
_TIMESTAMP = "x-hubspot-request-timestamp"
HEADERS = (_SIGNATURE, _TIMESTAMP)
_WINDOW_MS = 5 * 60 * 1000
_SIGNATURE_FORM = re.compile(r"[A-Za-z0-9+/]{43}=")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,15}")
#: HubSpot decodes these escapes, and no others, before it signs.
_ESCAPES = {b"%%%02X" % byte: bytes([byte]) for byte in b":/?@!$'()*,;"}
_ESCAPE = re.compile(b"|".join(_ESCAPES))


def verify(delivery: Delivery, sender: Sender, now_ms: int) -> str:
    """Check a delivery.

    Args:
        delivery: As it came.
        sender: Secrets that may have signed it.
        now_ms: The time, in milliseconds since the epoch.

    Returns:
        What is the same when the delivery is sent again unchanged.

    Raises:
        SignatureError: It is not HubSpot's, or too far from now.
    """
    signature = delivery.headers.get(_SIGNATURE, "").strip()
    timestamp = delivery.headers.get(_TIMESTAMP, "").strip()
    if not signature or not timestamp:
        raise SignatureError("SIGNATURE_MISSING", "The request is not signed")
    if not _SIGNATURE_FORM.fullmatch(signature) or not _TIMESTAMP_FORM.fullmatch(
        timestamp
    ):
        raise SignatureError("SIGNATURE_MALFORMED", "The signature cannot be read")
    if abs(now_ms - int(timestamp)) > _WINDOW_MS:
        raise SignatureError(
            "SIGNATURE_EXPIRED", "The request was signed too long ago, or in the future"
        )
    if not _is_signed(delivery, sender, timestamp.encode(), signature.encode()):
        raise SignatureError("SIGNATURE_INVALID", "The signature does not match")
    return f"{timestamp}.{signature}"


def _is_signed(
    delivery: Delivery, sender: Sender, timestamp: bytes, signature: bytes
) -> bool:
    """Compare with every signature that would be right, always with all of them."""
    decoded = _ESCAPE.sub(lambda found: _ESCAPES[found[0]], delivery.url)
    right = False
    for secret in sender.secrets:
        # HubSpot's documentation decodes, its own libraries do not: take both.
        for url in (delivery.url, decoded):
            text = delivery.method.encode() + url + delivery.body + timestamp
            digest = hmac.digest(secret, text, hashlib.sha256)
            right |= hmac.compare_digest(base64.b64encode(digest), signature)
    return right
