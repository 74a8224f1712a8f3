"""Comparable e-mail addresses and phone numbers; phonenumbers is the judge of these."""

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from crm_warehouse.engine.normalize import email, phone_normalizer
from crm_warehouse.errors import ConfigurationError

GOOD_EMAILS = {
    "ann@example.com": "ann@example.com",
    "  Ann.Lee@Example.COM\t": "ann.lee@example.com",
    "o'brien+crm@mail.example.co.uk": "o'brien+crm@mail.example.co.uk",
    "a@b.co": "a@b.co",
    "x_y-z%w@sub-domain.example.museum": "x_y-z%w@sub-domain.example.museum",
    "ann@xn--bcher-kva.example": "ann@xn--bcher-kva.example",
    "1@2.example": "1@2.example",
    f"{'a' * 64}@example.com": f"{'a' * 64}@example.com",
    f"a@{'b' * 63}.example": f"a@{'b' * 63}.example",
    "a@" + "b." * 124 + "com": "a@" + "b." * 124 + "com",
}
BAD_EMAILS = [
    "",
    " ",
    "ann",
    "ann@",
    "@example.com",
    "ann@example",
    "ann@localhost",
    "ann@@example.com",
    "ann@b@example.com",
    "ann lee@example.com",
    "ann@exam ple.com",
    ".ann@example.com",
    "ann.@example.com",
    "ann..lee@example.com",
    "ann@.example.com",
    "ann@example..com",
    "ann@example.com.",
    "ann@-example.com",
    "ann@example-.com",
    "ann@example.c",
    "ann@example.123",
    "ann@192.168.0.1",
    "ann@[192.168.0.1]",
    '"ann lee"@example.com',
    "Ann <ann@example.com>",
    "mailto:ann@example.com",
    "ann@example.com, bob@example.com",
    "ann@example.com\nbob",
    "änn@example.com",
    "ann@exämple.com",
    "\u212aate@example.com",  # the Kelvin sign, whose lower case is an ASCII k
    "ann@example.com\0",
    f"{'a' * 65}@example.com",
    f"a@{'b' * 64}.example",
    "a@" + "b." * 125 + "com",
    "a" * 100_000,
    "a@" + "a." * 50_000,
]


@pytest.mark.parametrize("sent", GOOD_EMAILS)
def test_good_addresses(sent: str) -> None:
    assert email(sent) == GOOD_EMAILS[sent]


@pytest.mark.parametrize("sent", BAD_EMAILS, ids=lambda sent: ascii(sent[:30]))
def test_bad_addresses(sent: str) -> None:
    assert email(sent) is None


SAME_NUMBER = [
    "2015550123",
    "12015550123",
    "+12015550123",
    "(201) 555-0123",
    "201-555-0123",
    "201.555.0123",
    "201/555/0123",
    " 1 201 555 0123 ",
    "+1 (201) 555-0123",
    "(+1) 201.555.0123",
    "201\u00a0555\u00a00123",
    "201\u2011555\u20110123",
    "２０１５５５０１２３",
    "2015550１２３",
    "201-555-0123 x45",
    "201-555-0123 ext. 45",
    "tel:+1-201-555-0123",
    "Phone: 201-555-0123",
    "\t2015550123\n",
]


@pytest.mark.parametrize("sent", SAME_NUMBER)
def test_one_number_has_one_form(sent: str) -> None:
    assert phone_normalizer("US")(sent) == "+12015550123"


@pytest.mark.parametrize(
    "sent",
    [
        "+1234567890",
        "5555555555",
        "1234567890",
        "0000000000",
        "555-0123",
        "201555012",
        "20155501234",
        "+",
        "+1",
        "",
        " ",
        "n/a",
        "none",
        "911",
        "ann@example.com",
        "2015550123/2015550124",
        "9" * 60,
        "2015550123" * 6,
        "(201) 555-01\x0023",
    ],
)
def test_what_is_no_phone_number(sent: str) -> None:
    assert phone_normalizer("US")(sent) is None


def test_a_region_that_is_no_country_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="ISO 3166"):
        phone_normalizer("XX")


SHAPES = [
    "{}", "+1{}", "1{}", "1-{}", "+1 {}", "001{}", "011 1 {}", "{} x12", "{} ext 7",
    "{}#3", "tel:{}", "0{}", "+{}", "{}.", "({})", "+ 1 {}", "{}/", " {}", "{}\t",
    "1 1 {}", "++1{}", "{};ext=9", "*{}", "{}*", "a{}", "{}b",
]  # fmt: skip
SEPARATORS = ["", "-", " ", ".", ") ", "/", "\u00a0", "\t", "--", " - ", ",", "\u2013"]


def nanp_like(chance: random.Random) -> str:
    """A number in the shape of North America's, valid about every other time."""
    area = chance.choice(
        ["201", "212", "305", "416", "500", "533", "555", "600", "787", "800", "809",
         "876", "888", "900", "911", "710", str(chance.randrange(1000)).zfill(3)]
    )  # fmt: skip
    exchange = str(chance.randrange(1000)).zfill(3)
    line = str(chance.randrange(10**4)).zfill(4)
    first, second = chance.choice(SEPARATORS), chance.choice(SEPARATORS)
    number = area + first + exchange + second + line
    if chance.random() < 0.1:
        number = number[: chance.randrange(len(number))]
    return chance.choice(SHAPES).format(number)


def foreign(chance: random.Random, home: str) -> str:
    """A number of some country as it is written there or abroad, sometimes broken."""
    region = home
    if chance.random() < 0.5:
        region = chance.choice(sorted(phonenumbers.SUPPORTED_REGIONS))
    kind = chance.choice(
        [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE,
         PhoneNumberType.PREMIUM_RATE, PhoneNumberType.VOIP, PhoneNumberType.UAN,
         PhoneNumberType.PERSONAL_NUMBER, PhoneNumberType.SHARED_COST,
         PhoneNumberType.PAGER]
    )  # fmt: skip
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None:
        number = phonenumbers.example_number(region)
    form = chance.choice(
        [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL,
         PhoneNumberFormat.NATIONAL, PhoneNumberFormat.RFC3966]
    )  # fmt: skip
    text = phonenumbers.format_number(number, form)
    digits = [i for i, letter in enumerate(text) if letter.isdigit()]
    for place in chance.sample(digits, min(len(digits), chance.choice([0, 0, 1, 3]))):
        text = text[:place] + chance.choice("0123456789") + text[place + 1 :]
    return text.lstrip("+") if chance.random() < 0.2 else text


def judged(text: str, region: str) -> str | None:
    """What the library says; longer texts than a phone column are none for us."""
    try:
        number = phonenumbers.parse(text.strip(), region)
    except phonenumbers.NumberParseException:
        return None
    if len(text.strip()) > 50 or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("region", "count"), [("US", 2000), ("GB", 500), ("DE", 500), ("IT", 300),
                          ("AR", 300), ("BR", 300), ("MX", 300), ("CA", 300)],
)  # fmt: skip
def test_the_fast_way_agrees_with_the_library(region: str, count: int) -> None:
    chance = random.Random(20260301)
    normalize = phone_normalizer(region)
    sent = [
        nanp_like(chance)
        if n % 2 and region in ("US", "CA")
        else foreign(chance, region)
        for n in range(count)
    ]
    verdicts = {text: judged(text, region) for text in sent}
    disagreed = {
        text: (normalize(text), verdict)
        for text, verdict in verdicts.items()
        if normalize(text) != verdict
    }
    assert disagreed == {}
    assert len([v for v in verdicts.values() if v]) > count / 6
    assert len([v for v in verdicts.values() if not v]) > count / 12
