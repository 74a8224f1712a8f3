"""ActiveProspect's deliveries: not signed, but with a shared secret in a header."""

import hashlib
from collections.abc import Iterator

from webhook_receiver.delivery import Delivery, Proof, Sender, SignatureError
from webhook_receiver.proofs import content_key, is_proven

#: What a delivery step can be set to.
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "text/xml",
)


def verify(delivery: Delivery, sender: Sender, now_ms: int) -> Proof:
    """Check a delivery.

    Args:
        delivery: As it came.
        sender: Its secrets, and the header that brings one.
        now_ms: The time, in milliseconds since the epoch.

    Raises:
        SignatureError: It brings no secret that counts.
    """
    given = delivery.headers.get(sender.header, "").strip()
    if not given:
        raise SignatureError("SIGNATURE_MISSING", "The request brings no secret")

    def forms(secret: bytes) -> Iterator[bytes]:
        yield hashlib.sha256(secret).digest()

    # Hashes, for a comparison may take its time by the lengths. The server decoded the
    # header's bytes as Latin-1.
    digest = hashlib.sha256(given.encode("latin-1")).digest()
    if not is_proven(digest, sender.active(now_ms), forms):
        raise SignatureError("SIGNATURE_INVALID", "The secret does not match")
    type_ = delivery.headers.get("content-type", "").encode("latin-1")
    return Proof(replay_key=content_key(type_, delivery.body), headers={})
