"""HubSpot's signatures.

Version 3, ``base64(HMAC-SHA256(secret, method + URL + body + timestamp))``, always
counts. The older ones, ``hex(SHA-256(secret + body))`` and ``hex(SHA-256(secret +
method + URL + body))``, say nothing of when; they count when the connection lists them.
"""

import base64
import hashlib
import hmac
import logging
import re
from collections.abc import Iterator

from webhook_receiver.delivery import (
    Delivery,
    Proof,
    Sender,
    SignatureError,
    StaleError,
)
from webhook_receiver.proofs import Forms, content_key, is_proven
from webhook_receiver.seldom import Seldom

logger = logging.getLogger(__name__)

CONTENT_TYPES = ("application/json",)
_SIGNATURE = "x-hubspot-signature-v3"
_TIMESTAMP = "x-hubspot-request-timestamp"
_OLDER_SIGNATURE = "x-hubspot-signature"
_OLDER_VERSION = "x-hubspot-signature-version"
_WINDOW_MS = 5 * 60 * 1000
_SIGNATURE_FORM = re.compile(r"[A-Za-z0-9+/]{43}=")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,15}")
_OLDER_FORM = re.compile(r"[0-9a-f]{64}")
#: HubSpot decodes these escapes, and no others, before it signs.
_ESCAPES = {b"%%%02X" % byte: bytes([byte]) for byte in b":/?@!$'()*,;"}
_ESCAPE = re.compile(b"|".join(_ESCAPES))
#: Whoever has one old delivery can send it without end.
_ALARMS = {"old": Seldom(), "ahead": Seldom()}


def verify(delivery: Delivery, sender: Sender, now_ms: int) -> Proof:
    """Check a delivery.

    Args:
        delivery: As it came.
        sender: Secrets that may have signed it, and versions that count.
        now_ms: The time, in milliseconds since the epoch.

    Raises:
        SignatureError: It is not HubSpot's.
        StaleError: It is, but too far from now.
    """
    # Whatever has a part of version 3 is judged by it: no other version could make up
    # for one that is wrong.
    if _SIGNATURE in delivery.headers or _TIMESTAMP in delivery.headers:
        return _verify_v3(delivery, sender, now_ms)
    return _verify_older(delivery, sender, now_ms)


def _verify_v3(delivery: Delivery, sender: Sender, now_ms: int) -> Proof:
    signature = delivery.headers.get(_SIGNATURE, "").strip()
    timestamp = delivery.headers.get(_TIMESTAMP, "").strip()
    if not signature or not timestamp:
        raise _missing()
    if not _SIGNATURE_FORM.fullmatch(signature) or not _TIMESTAMP_FORM.fullmatch(
        timestamp
    ):
        raise _malformed()
    forms = _v3_forms(delivery, timestamp.encode())
    if not is_proven(signature.encode(), sender.active(now_ms), forms):
        raise _invalid()
    # Only behind a right signature: whoever has none learns nothing of our clock, and
    # raises no alarm.
    if abs(late_ms := now_ms - int(timestamp)) > _WINDOW_MS:
        raise _stale(late_ms)
    return Proof(
        replay_key=f"{timestamp}.{signature}",
        headers={_SIGNATURE: signature, _TIMESTAMP: timestamp},
    )


def _v3_forms(delivery: Delivery, timestamp: bytes) -> Forms:
    # HubSpot's documentation decodes, its own libraries do not: take both. Most URLs
    # have nothing to decode, and then the body is hashed once.
    decoded = _ESCAPE.sub(lambda found: _ESCAPES[found[0]], delivery.url)
    urls = {delivery.url, decoded}

    def forms(secret: bytes) -> Iterator[bytes]:
        for url in urls:
            text = delivery.method.encode() + url + delivery.body + timestamp
            yield base64.b64encode(hmac.digest(secret, text, hashlib.sha256))

    return forms


def _verify_older(delivery: Delivery, sender: Sender, now_ms: int) -> Proof:
    signature = delivery.headers.get(_OLDER_SIGNATURE, "").strip()
    version = delivery.headers.get(_OLDER_VERSION, "").strip()
    if not signature or version not in sender.versions - {"v3"}:
        raise _missing()
    if not _OLDER_FORM.fullmatch(signature):
        raise _malformed()
    signed = delivery.body
    if version == "v2":
        signed = delivery.method.encode() + delivery.url + signed

    def forms(secret: bytes) -> Iterator[bytes]:
        yield hashlib.sha256(secret + signed).hexdigest().encode()

    proven = is_proven(signature.encode(), sender.active(now_ms), forms)
    if not proven or not _can_be_json(delivery.body):
        raise _invalid()
    return Proof(
        # By what version 1 signs too: played again in whatever disguise, it is the
        # same delivery.
        replay_key=content_key(delivery.body),
        headers={_OLDER_SIGNATURE: signature, _OLDER_VERSION: version},
    )


def _can_be_json(body: bytes) -> bool:
    """Whether an older signature may be believed, which has the secret in front.

    What version 2 signs is a right body of version 1 that begins with the method. And
    whoever has a signature can lengthen what was signed, but only with the padding of
    SHA-256 in between, which has NUL.
    """
    return body.lstrip()[:1] in (b"[", b"{") and b"\0" not in body


def _missing() -> SignatureError:
    return SignatureError("SIGNATURE_MISSING", "The request is not signed")


def _malformed() -> SignatureError:
    return SignatureError("SIGNATURE_MALFORMED", "The signature cannot be read")


def _invalid() -> SignatureError:
    return SignatureError("SIGNATURE_INVALID", "The signature does not match")


def _stale(late_ms: int) -> StaleError:
    """For a right signature of another time: perhaps the clock here is wrong.

    HubSpot signs each attempt anew, so that a later one is taken when it is put right.
    """
    direction = "old" if late_ms > 0 else "ahead"
    if times := _ALARMS[direction].happened():
        logger.error(
            "hubspot: a delivery with a right signature is %d s %s (%d such since the "
            "last line): the clock of this machine is wrong, or somebody plays an old "
            "delivery again",
            abs(late_ms) // 1000,
            direction,
            times,
        )
    return StaleError()
