"""HubSpot's versions 1 and 2 count where they are allowed, and prove what they can."""

import hashlib
import hmac

import pytest
from stored import deliveries

from tests.proof.hubspot_sender import EVENTS, PATH, PUBLIC_URL, call, signed
from tests.proof.receiver_process import HUBSPOT, Start
from webhook_receiver import hubspot
from webhook_receiver.delivery import Delivery, Proof, Secret, Sender, SignatureError

SECRET = b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = b"https://www.example.com/webhook_uri"
BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,'
    b'"occurredAt":1564113600000,"subscriptionType":"contact.creation",'
    b'"attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW",'
    b'"appId":54321}]'
)
V1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
NOW = 1_564_113_600_000
ALL = frozenset({"v1", "v2", "v3"})
SENDER = Sender((Secret(SECRET),), "https://www.example.com", versions=ALL)


def check(
    sign: str = V1,
    version: str = "v1",
    body: bytes = BODY,
    *,
    method: str = "POST",
    url: bytes = URL,
    sender: Sender = SENDER,
    **more: str,
) -> Proof:
    headers = {"x-hubspot-signature": sign, "x-hubspot-signature-version": version}
    more = {name.replace("_", "-"): value for name, value in more.items()}
    return hubspot.verify(Delivery(method, url, headers | more, body), sender, NOW)


def sign_v2(body: bytes, method: str = "POST", url: bytes = URL) -> str:
    return hashlib.sha256(SECRET + method.encode() + url + body).hexdigest()


def test_the_published_vector_of_version_1() -> None:
    proof = check()

    assert proof.headers == {
        "x-hubspot-signature": V1,
        "x-hubspot-signature-version": "v1",
    }


def test_the_published_vector_of_version_2() -> None:
    sign = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"

    assert check(sign, "v2", b'{"example_field":"example_value"}')


def test_the_published_vector_of_a_call_without_a_body_is_no_delivery() -> None:
    sign = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"

    assert sign == sign_v2(b"", "GET")
    with pytest.raises(SignatureError, match="does not match"):
        check(sign, "v2", b"", method="GET")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_changed_byte_anywhere_breaks_an_older_one(version: str) -> None:
    good = V1 if version == "v1" else sign_v2(BODY)
    assert check(good, version)
    for at in range(len(BODY)):
        body = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        with pytest.raises(SignatureError):
            check(good, version, body)
    for at in range(len(good)):
        sign = good[:at] + ("1" if good[at] == "0" else "0") + good[at + 1 :]
        with pytest.raises(SignatureError):
            check(sign, version)


def test_version_2_binds_method_and_url() -> None:
    with pytest.raises(SignatureError):
        check(sign_v2(BODY), "v2", method="PUT")
    with pytest.raises(SignatureError):
        check(sign_v2(BODY), "v2", url=URL + b"?")


@pytest.mark.parametrize("sign", [V1.upper(), V1[:-1], V1 + "0", "\xe9" * 64, "z" * 64])
def test_a_strange_older_signature_is_malformed(sign: str) -> None:
    with pytest.raises(SignatureError, match="cannot be read"):
        check(sign)


@pytest.mark.parametrize(
    ("versions", "version"),
    [
        ({"v3"}, "v1"),
        ({"v3"}, "v2"),
        ({"v2", "v3"}, "v1"),
        ({"v1", "v3"}, "v2"),
        (ALL, "v3"),
        (ALL, "v4"),
        (ALL, ""),
    ],
)
def test_a_version_that_is_not_allowed_proves_nothing(
    versions: set[str], version: str
) -> None:
    sender = Sender(SENDER.secrets, SENDER.public_url, versions=frozenset(versions))
    with pytest.raises(SignatureError, match="is not signed"):
        check(V1 if version != "v2" else sign_v2(BODY), version, sender=sender)


@pytest.mark.parametrize(
    "part",
    [
        {"x_hubspot_signature_v3": "A" * 43 + "=", "x_hubspot_request_timestamp": "1"},
        {"x_hubspot_signature_v3": "A" * 43 + "="},
        {"x_hubspot_signature_v3": ""},
        {"x_hubspot_request_timestamp": str(NOW)},
    ],
)
def test_an_older_one_never_makes_up_for_version_3(part: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        check(**part)  # type: ignore[arg-type]  # all of them are headers


def test_version_2_is_no_version_1() -> None:
    """What version 2 signs, as a body of version 1, has the right hash."""
    shown = b"POST" + URL + BODY
    sign = sign_v2(BODY)

    assert sign == hashlib.sha256(SECRET + shown).hexdigest()
    with pytest.raises(SignatureError, match="does not match"):
        check(sign, "v1", shown)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_lengthened_body_is_refused(version: str) -> None:
    """The hash is right, as whoever has the shorter one can compute it."""
    front = SECRET if version == "v1" else SECRET + b"POST" + URL
    length = len(front) + len(BODY)
    padding = b"\x80" + bytes((55 - length) % 64) + (8 * length).to_bytes(8, "big")
    longer = BODY + padding + b',{"eventId":2}]'
    sign = hashlib.sha256(front + longer).hexdigest()

    assert (length + len(padding)) % 64 == 0
    with pytest.raises(SignatureError, match="does not match"):
        check(sign, version, longer)


def test_without_a_time_the_content_is_the_delivery() -> None:
    first = check().replay_key

    assert check().replay_key == first
    # A part of the request that nobody signed makes no other delivery of it.
    assert check(url=URL + b"?again").replay_key == first
    assert check(sign_v2(BODY), "v2").replay_key == first
    other = BODY.replace(b'"attemptNumber":0', b'"attemptNumber":1')
    sign = hashlib.sha256(SECRET + other).hexdigest()
    assert check(sign, body=other).replay_key != first


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_each_secret_counts_for_an_older_one_in_constant_time(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    compared = []
    compare = hmac.compare_digest

    def watched(right: bytes, given: bytes) -> bool:
        compared.append(right)
        return compare(right, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    sign = V1 if version == "v1" else sign_v2(BODY)
    for secrets in ((b"other", SECRET), (SECRET, b"other")):
        both = tuple(Secret(each) for each in secrets)
        assert check(sign, version, sender=Sender(both, SENDER.public_url, (), ALL))
    assert len(compared) == 4
    ended = (Secret(SECRET, NOW), Secret(b"other"))
    with pytest.raises(SignatureError, match="does not match"):
        check(sign, version, sender=Sender(ended, SENDER.public_url, (), ALL))


def test_where_it_is_allowed_version_2_is_stored_once_with_its_proof(
    start: Start, warehouse: str
) -> None:
    extra = {"webhook_secrets": [SECRET.decode()], "signature_versions": ["v3", "v2"]}
    receiver = start(warehouse, {**HUBSPOT, **extra})
    sign = sign_v2(EVENTS, url=(PUBLIC_URL + PATH).encode())
    proof = {"x-hubspot-signature": sign, "x-hubspot-signature-version": "v2"}
    headers = {"Content-Type": "application/json", "User-Agent": "a", **proof}

    for _ in range(2):
        assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
    (row,) = deliveries(warehouse)
    assert (row["body"], row["headers"]) == (EVENTS, {**proof, "user-agent": "a"})

    # Version 3 of another secret beside it.
    answer = call(receiver.port, "POST", PATH, headers | signed(), EVENTS)
    assert (answer.status, answer.code) == (401, "SIGNATURE_INVALID")
