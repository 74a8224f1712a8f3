"""HubSpot's signature binds every byte of what it signs."""

import base64
import hashlib
import hmac

import pytest

from tests.proof.hubspot_sender import EVENTS, PATH, PUBLIC_URL, SECRET, signature
from webhook_receiver import hubspot
from webhook_receiver.delivery import Delivery, Secret, Sender, SignatureError
from webhook_receiver.refusals import RefusalError

NOW = 1_564_113_600_000
URL = f"{PUBLIC_URL}{PATH}?a=1&to=x%2Fy"
SENDER = Sender((Secret(SECRET.encode()),), PUBLIC_URL)
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
    delivery = Delivery(method, url, headers, body)
    return hubspot.verify(delivery, sender, now_ms).replay_key


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


@pytest.mark.parametrize(
    ("shift", "words"), [(-WINDOW - 1, "300 s ahead"), (WINDOW + 1, "300 s old")]
)
def test_a_millisecond_more_asks_to_come_again_and_alarms(
    caplog: pytest.LogCaptureFixture, shift: int, words: str
) -> None:
    with pytest.raises(RefusalError) as refused:
        check(now_ms=NOW + shift)

    assert (refused.value.status, refused.value.code) == (503, "SIGNATURE_EXPIRED")
    assert refused.value.retry_after_seconds == 10
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert words in record.getMessage()


@pytest.mark.parametrize("shift", [-WINDOW - 1, WINDOW + 1])
def test_who_signs_wrongly_learns_nothing_of_the_time(
    caplog: pytest.LogCaptureFixture, shift: int
) -> None:
    with pytest.raises(SignatureError, match="does not match"):
        check(now_ms=NOW + shift, sign="A" * 43 + "=")
    assert caplog.records == []


def test_each_secret_counts_and_none_other() -> None:
    old, new = Secret(b"old"), Secret(SECRET.encode())
    assert check(sender=Sender((old, new), PUBLIC_URL))
    assert check(sender=Sender((new, old), PUBLIC_URL))
    with pytest.raises(SignatureError, match="does not match"):
        check(sender=Sender((old,), PUBLIC_URL))


def test_a_secret_counts_until_its_end() -> None:
    other = Secret(b"other")
    assert check(sender=Sender((Secret(SECRET.encode(), NOW + 1), other), PUBLIC_URL))
    with pytest.raises(SignatureError, match="does not match"):
        check(sender=Sender((Secret(SECRET.encode(), NOW), other), PUBLIC_URL))


def test_all_secrets_and_both_urls_are_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    compare = hmac.compare_digest

    def watched(right: bytes, given: bytes) -> bool:
        compared.append(right)
        return compare(right, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    good, other = Secret(SECRET.encode()), Secret(b"other")
    assert check(sender=Sender((good, other), PUBLIC_URL))
    assert len(compared) == len(set(compared)) == 4


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
    sender = Sender((Secret(secret.encode()),), "https://www.example.com")

    assert check(
        url=url.encode(),
        body=body.encode(),
        sign=base64.b64encode(digest).decode(),
        sender=sender,
    )
    with pytest.raises(SignatureError, match="cannot be read"):
        check(sign=digest.hex(), sender=sender)


@pytest.mark.parametrize(
    ("timestamp", "sign"),
    [
        ("1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        ("1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ],
)
def test_the_vectors_of_the_vendors_own_libraries(timestamp: str, sign: str) -> None:
    secret = Secret(b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy")

    assert check(
        url=b"https://www.example.com/webhook_uri",
        body=b"{'example_field':'example_value'}",
        timestamp=timestamp,
        sign=sign,
        now_ms=int(timestamp),
        sender=Sender((secret,), "https://www.example.com"),
    )
