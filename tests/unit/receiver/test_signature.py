"""HubSpot's signature binds every byte of what it signs."""

import base64
import hashlib
import hmac

import pytest

from tests.proof.hubspot_sender import EVENTS, PATH, PUBLIC_URL, SECRET, signature
from webhook_receiver import hubspot
from webhook_receiver.delivery import Delivery, Sender, SignatureError

NOW = 1_564_113_600_000
URL = f"{PUBLIC_URL}{PATH}?a=1&to=x%2Fy"
SENDER = Sender((SECRET.encode(),), PUBLIC_URL)
WINDOW = 5 * 60 * 1000


def check(
    method: str = "POST",
    url: bytes = URL.encode(),
    body: bytes = EVENTS,
    timestamp: str = str(NOW),
    sign: str = signature(URL, EVENTS, NOW),
    *,
    now_ms: int = NOW,
    sender: Sender = SENDER,
) -> str:
    headers = {
        "x-hubspot-signature-v3": sign,
        "x-hubspot-request-timestamp": timestamp,
    }
    return hubspot.verify(Delivery(method, url, headers, body), sender, now_ms)


def mutants(good: bytes) -> list[bytes]:
    """The bytes with each one changed, left out, or doubled once."""
    changed = [
        good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))
    ]
    cut = [good[:at] + good[at + 1 :] for at in range(len(good))]
    doubled = [good[:at] + good[at : at + 1] + good[at:] for at in range(len(good))]
    return changed + cut + doubled


def test_the_sample_is_good_and_named_by_time_and_signature() -> None:
    assert check() == f"{NOW}.{signature(URL, EVENTS, NOW)}"


@pytest.mark.parametrize("part", ["method", "url", "body", "timestamp", "sign"])
def test_a_changed_byte_anywhere_breaks_it(part: str) -> None:
    good = {
        "method": b"POST",
        "url": URL.encode(),
        "body": EVENTS,
        "timestamp": str(NOW).encode(),
        "sign": signature(URL, EVENTS, NOW).encode(),
    }[part]
    taken = []
    for mutant in mutants(good):
        value = mutant if part in ("url", "body") else mutant.decode("latin-1")
        try:
            check(**{part: value}, now_ms=NOW)  # type: ignore[arg-type]
        except SignatureError:
            continue
        taken.append(mutant)
    assert taken == []


@pytest.mark.parametrize("shift", [-WINDOW, 0, WINDOW])
def test_up_to_five_minutes_are_allowed(shift: int) -> None:
    assert check(now_ms=NOW + shift)


@pytest.mark.parametrize("shift", [-WINDOW - 1, WINDOW + 1])
def test_a_millisecond_more_is_not(shift: int) -> None:
    with pytest.raises(SignatureError, match="too long ago, or in the future"):
        check(now_ms=NOW + shift)


def test_each_secret_counts_and_none_other() -> None:
    old, new = b"old", SECRET.encode()
    assert check(sender=Sender((old, new), PUBLIC_URL))
    assert check(sender=Sender((new, old), PUBLIC_URL))
    with pytest.raises(SignatureError, match="does not match"):
        check(sender=Sender((old,), PUBLIC_URL))


@pytest.mark.parametrize("character", ":/?@!$'()*,;")
def test_the_documented_escapes_may_be_decoded(character: str) -> None:
    escaped = f"{PUBLIC_URL}{PATH}?a=%{ord(character):02X}"
    decoded = f"{PUBLIC_URL}{PATH}?a={character}"

    assert check(url=escaped.encode(), sign=signature(escaped, EVENTS, NOW))
    assert check(url=escaped.encode(), sign=signature(decoded, EVENTS, NOW))


@pytest.mark.parametrize("character", '+&=#% <"')
def test_other_escapes_stay(character: str) -> None:
    escaped = f"{PUBLIC_URL}{PATH}?a=%{ord(character):02X}"
    decoded = f"{PUBLIC_URL}{PATH}?a={character}"

    assert check(url=escaped.encode(), sign=signature(escaped, EVENTS, NOW))
    with pytest.raises(SignatureError):
        check(url=escaped.encode(), sign=signature(decoded, EVENTS, NOW))


def test_hash_and_encoding_are_those_of_the_documentation() -> None:
    """Spelt out step by step, as the vendor's page has it, for a URL in UTF-8."""
    secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    url, body = "https://www.example.com/webhook_uri", '[{"name":"Zoë"}]'
    source = f"POST{url}{body}{NOW}".encode()
    digest = hmac.new(secret.encode(), source, hashlib.sha256).digest()
    sender = Sender((secret.encode(),), "https://www.example.com")

    assert check(
        url=url.encode(),
        body=body.encode(),
        sign=base64.b64encode(digest).decode(),
        sender=sender,
    )
    with pytest.raises(SignatureError, match="cannot be read"):
        check(sign=digest.hex(), sender=sender)
