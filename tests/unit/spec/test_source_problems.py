"""Wrong files: what is said, and where."""

from pathlib import Path

import pytest
from source_yaml import SMALL, changed, problems_of, write

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import load_source

NAME_HINT = (
    "is no name: use small letters, digits and single underscores between them, "
    "beginning with a letter, at most 41 characters"
)
DURATION_HINT = "is no duration; write e.g. 500ms, 30s, 15m, 1h or 2d"
KIND_HINT = (
    "is no kind of key: write <source>.<entity>, whose records have these ids, or one "
    "name for what no source gives out"
)
PATH_HINT = "is no path; write e.g. email, properties.email or contacts[0].id"
CRON_HINT = 'is no cron schedule of five numeric fields; write e.g. "*/15 * * * *"'
LIST_HINT = "is no path under the base URL; write e.g. /contacts, without query"
WIDE = (
    "must be a path, a list of paths or {from, on_error}, not a number",
    "must be text, not a mapping",
)

# (what to replace, with what, the one message)
WRONG = [
    (
        "      email: email",
        "      emial: email",
        "22:7: entities.people.map.emial: unknown column 'emial' of contacts; "
        "did you mean 'email'?",
    ),
    (
        "title:",
        "titel: x\ntitle:",
        "2:1: titel: unknown key 'titel'; did you mean 'title'?",
    ),
    (
        "    id: id\n    map:\n      email",
        "    id: id\n    known_keys: {Other.Things: x}\n    map:\n      email",
        f"21:18: entities.people.known_keys.Other.Things: 'Other.Things' {KIND_HINT}",
    ),
    (
        "    id: id\n    map:\n      email",
        "    id: id\n    known_keys: {a.b.c: x}\n    map:\n      email",
        f"21:18: entities.people.known_keys.a.b.c: 'a.b.c' {KIND_HINT}",
    ),
    (
        "    id: id\n    map:\n      email",
        "    id: id\n    known_keys: {a: $rest}\n    map:\n      email",
        f"21:18: entities.people.known_keys.a: '$rest' {PATH_HINT}",
    ),
    (
        "    id: id\n    map:\n      email",
        "    id: id\n    known_keys: {a: [x, x]}\n    map:\n      email",
        "21:25: entities.people.known_keys.a[1]: 'x' is there twice",
    ),
    (
        "    id: id\n    map:\n      email",
        "    id: id\n    known_keys: {a: {from: x}}\n    map:\n      email",
        "21:18: entities.people.known_keys.a: must be text, not a mapping",
    ),
    ("title: Acme CRM\n", "", "1:1: title: is missing"),
    ("title: Acme CRM", "title:", "2:1: title: must not be empty"),
    (
        "title: Acme CRM",
        "title: 2024",
        "2:1: title: must be text, not a number; put it in quotes",
    ),
    (
        "title: Acme CRM",
        "title: true",
        "2:1: title: must be text, not true or false; put it in quotes",
    ),
    ("title: Acme CRM", "title: [a]", "2:1: title: must be text, not a list"),
    ("title: Acme CRM", 'title: " "', "2:1: title: ' ' must not be blank"),
    ("source: acme", "source: Acme", f"1:1: source: 'Acme' {NAME_HINT}"),
    ("source: acme", "source: a__b", f"1:1: source: 'a__b' {NAME_HINT}"),
    ("source: acme", f"source: {'a' * 42}", f"1:1: source: '{'a' * 42}' {NAME_HINT}"),
    (
        "region: US",
        "region: US\nwebhook_share: 0.2",
        "15:1: webhook_share: goes with webhooks: true",
    ),
    (
        "region: US\nentities:\n  people:\n",
        "region: US\nforgets: true\nentities:\n  people:\n"
        '    full_schedule: "0 4 * * 0"\n',
        "18:5: entities.people.full_schedule: does not go with forgets: true; full "
        "loads mark what is missing",
    ),
    (
        "region: US",
        "region: US\nforgets: true\nhorizon: 90d",
        "1:1: horizon_alarm: is missing: it goes with horizon",
    ),
    (
        "region: US",
        "region: US\nforgets: true\nhorizon_alarm: 80d",
        "1:1: horizon: is missing: it goes with horizon_alarm",
    ),
    (
        "region: US",
        "region: US\nhorizon: 90d\nhorizon_alarm: 80d",
        "15:1: horizon: goes with forgets: true",
    ),
    (
        "region: US",
        "region: US\nforgets: true\nhorizon: 80d\nhorizon_alarm: 80d",
        "17:1: horizon_alarm: must be shorter than horizon",
    ),
    (
        "style: number, page_param: page",
        "style: keyset, after_param: page",
        "10:1: paging.after: is missing",
    ),
    (
        "    id: id\n    map:\n      email: email",
        "    id: id\n    value_keys: value\n    map:\n      email: email",
        "21:5: entities.people.value_keys: must be a list, not text",
    ),
    ("per: 1h", "per: 60", f"8:36: quotas[0].per: 60 {DURATION_HINT}"),
    ("per: 1h", "per: 1 hour", f"8:36: quotas[0].per: '1 hour' {DURATION_HINT}"),
    ("per: 1h", "per: 0s", "8:36: quotas[0].per: must be longer than nothing"),
    (
        "requests: 1000",
        "requests: 0",
        "8:20: quotas[0].requests: must be between 1 and 1000000000, not 0",
    ),
    (
        "requests: 1000",
        "requests: true",
        "8:20: quotas[0].requests: must be a number, not true or false",
    ),
    (
        "requests: 1000",
        "requests: 10.5",
        "8:20: quotas[0].requests: must be a whole number, not 10.5",
    ),
    (
        "  - {name: hourly, requests: 1000, per: 1h}",
        "  - {name: a, requests: 1, per: 1h}\n  - {name: a, requests: 2, per: 1d}",
        "9:5: quotas[1]: 'a' is there twice",
    ),
    (
        "  - {name: hourly, requests: 1000, per: 1h}",
        "  []",
        "7:1: quotas: needs at least 1 item",
    ),
    (
        "  - {name: hourly, requests: 1000, per: 1h}",
        "  hourly",
        "7:1: quotas: must be a list, not text",
    ),
    (
        "  - {name: hourly, requests: 1000, per: 1h}",
        "  - hourly",
        "8:5: quotas[0]: must be a mapping, not text",
    ),
    (
        "strategy: fixed",
        "strategy: fixd",
        "9:9: retry.strategy: unknown word 'fixd'; did you mean 'fixed'?",
    ),
    (
        "strategy: fixed, ",
        "",
        "9:1: retry.strategy: is missing; known: exponential, fixed",
    ),
    (
        "{strategy: fixed, delay: 30s, attempts: 2}",
        "4",
        "9:1: retry: must be a mapping, not a number",
    ),
    (
        "delay: 30s",
        "delay: 30s, first: 1s",
        "9:38: retry.first: unknown key 'first'; known: delay, attempts",
    ),
    ("size: 50", "size: 0", "10:65: paging.size: must be between 1 and 1000, not 0"),
    ("size: 50", "size: 101", "10:65: paging.size: 101 is more than max_size, 100"),
    (
        "style: number",
        "style: cursr",
        "10:10: paging.style: unknown word 'cursr'; did you mean 'cursor'?",
    ),
    (
        "style: number",
        "style: 1",
        "10:10: paging.style: unknown word 1; known: number, cursor, "
        "offset, next_url, link, keyset, odata",
    ),
    (
        "region: US",
        "region: usa",
        "14:1: region: 'usa' is no country; write two capital letters, e.g. US",
    ),
    (
        "https://api.acme.example/v1",
        "http://api.acme.example/v1",
        "6:1: base_url: must begin with https://; plain http is for hosts of this "
        "machine only, with CRM_WAREHOUSE_ENV=dev",
    ),
    (
        "https://api.acme.example/v1",
        "https://u:p@api.acme.example/v1",
        "6:1: base_url: must not hold credentials; they belong in login and password",
    ),
    (
        "into: contacts",
        "into: contact",
        "17:5: entities.people.into: unknown word 'contact'; did you mean 'contacts'?",
    ),
    (
        "path: /people",
        "path: people",
        f"18:5: entities.people.path: 'people' {LIST_HINT}",
    ),
    (
        "path: /people",
        "path: /people?a=1",
        f"18:5: entities.people.path: '/people?a=1' {LIST_HINT}",
    ),
    (
        "path: /people",
        "path: /a/../b",
        f"18:5: entities.people.path: '/a/../b' {LIST_HINT}",
    ),
    ("    id: id", "    id: a..b", f"20:5: entities.people.id: 'a..b' {PATH_HINT}"),
    ("    id: id", "    id: a[b]", f"20:5: entities.people.id: 'a[b]' {PATH_HINT}"),
    (
        "    id: id",
        '    id: id\n    schedule: "61 * * * *"',
        "21:5: entities.people.schedule: '61 * * * *' is no schedule that ever comes; "
        "check each field's range",
    ),
    (
        "    id: id",
        '    id: id\n    schedule: "0 0 31 2 *"',
        "21:5: entities.people.schedule: '0 0 31 2 *' is no schedule that ever comes; "
        "check each field's range",
    ),
    (
        "    id: id",
        '    id: id\n    full_schedule: "@daily"',
        f"21:5: entities.people.full_schedule: '@daily' {CRON_HINT}",
    ),
    (
        "    id: id",
        '    id: id\n    schedule: "R * * * *"',
        f"21:5: entities.people.schedule: 'R * * * *' {CRON_HINT}",
    ),
    (
        "    id: id",
        "    id: id\n    deletes: {confirm_path: /people}",
        "21:15: entities.people.deletes.confirm_path: '/people' is no path of one "
        "record; write e.g. /contacts/{id}",
    ),
    (
        "    id: id",
        "    id: id\n    deletes: {max_share: 20}",
        "21:15: entities.people.deletes.max_share: must be between 0.001 and 1, not 20",
    ),
    (
        "    id: id",
        "    id: id\n    aliases: [folk, folk]",
        "21:21: entities.people.aliases[1]: 'folk' is there twice",
    ),
    (
        "    id: id",
        "    id: id\n    aliases: [visits]",
        "21:15: entities.people.aliases[0]: 'visits' is already the name of an entity",
    ),
    (
        "      email: email",
        "      email: {from: email, on_eror: keep}",
        "22:28: entities.people.map.email.on_eror: unknown key 'on_eror'; "
        "did you mean 'on_error'?",
    ),
    (
        "      email: email",
        "      email: {from: email, on_error: drop}",
        "22:28: entities.people.map.email.on_error: unknown word 'drop'; "
        "known: reject, set_null, keep",
    ),
    (
        "      email: email",
        "      email: 7",
        f"22:7: entities.people.map.email: {WIDE[0]}",
    ),
    (
        "      email: email",
        "      email: [{a: b}]",
        f"22:15: entities.people.map.email[0]: {WIDE[1]}",
    ),
    (
        "      email: email",
        "      email: [a, $rest]",
        f"22:18: entities.people.map.email[1]: '$rest' {PATH_HINT}",
    ),
    (
        "      email: email",
        "      email: $rest",
        "22:7: entities.people.map.email: $rest makes an object, which a email column "
        "cannot hold; give a path",
    ),
    (
        "      email: email",
        "      source_created_at: {from: made, on_error: keep}",
        "22:7: entities.people.map.source_created_at: on_error: keep is for text only, "
        "not for timestamp; use reject or set_null",
    ),
    (
        "scheduled_date: when",
        "scheduled_date: {from: when, on_error: set_null}",
        "29:7: entities.visits.map.scheduled_date: on_error: set_null cannot be: no "
        "row exists without it; use reject",
    ),
    (
        "scheduled_date: when",
        "notes: when",
        "28:5: entities.visits.map: 'scheduled_date' is missing, and a row of "
        "appointments cannot exist without it",
    ),
    (
        "    map:\n      email: email",
        "    map: {}",
        "21:5: entities.people.map: must not be empty",
    ),
    (
        "    map:\n      email: email",
        "    map: email",
        "21:5: entities.people.map: must be a mapping, not text",
    ),
    ("  people:", "  People:", f"16:3: entities.People: 'People' {NAME_HINT}"),
    (
        "  people:",
        "  webhooks:",
        "16:3: entities.webhooks: the name 'webhooks' is taken: the DAG acme__webhooks "
        "merges webhooks; give the entity another name",
    ),
    (
        "  people:",
        "  sweep:",
        "16:3: entities.sweep: the name 'sweep' is taken: the DAG acme__sweep looks "
        "for what no list shows as changed; give the entity another name",
    ),
    (
        "owner: sales-ops",
        "owner: a\nowner: b",
        "3:1: owner: is written twice, in lines 3 and 4",
    ),
    (
        "owner: sales-ops",
        "owner: !!python/name:os.system a",
        "3:1: owner: the tag !!python/name:os.system is not allowed here; remove it",
    ),
    (
        "title: Acme CRM",
        "title: !!int Acme",
        "2:1: title: the tag !!int is not allowed here; remove it",
    ),
    (
        "title: Acme CRM",
        "title: !!set {a, b}",
        "2:1: title: the tag !!set is not allowed here; remove it",
    ),
    (
        "lag: 0s",
        "<<: lag\nlag: 0s",
        "1:1: '<<' must name a mapping, e.g. '<<: *name'",
    ),
    (
        "lag: 0s",
        "? [a]\n: b\nlag: 0s",
        "1:1: a key must be a word, not a list or mapping",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_mistake_gives_its_message_and_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, changed(old, new))

    assert message in [line.removeprefix("acme.yaml:") for line in problems_of(path)]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_nothing_else_is_complained_about(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    found = problems_of(write(tmp_path, changed(old, new)))

    # A tag's value and the like are missing afterwards; that is said as well.
    follow_ups = ("must not be empty", "is missing")
    others = [line for line in found if message not in line]
    assert [line for line in others if not line.endswith(follow_ups)] == []


def test_all_problems_of_a_file_come_at_once_in_the_order_of_its_lines(
    tmp_path: Path,
) -> None:
    text = (
        SMALL.replace("region: US", "region: us")
        .replace("      email: email", "      emial: email")
        .replace("title: Acme CRM", "titel: Acme CRM")
        .replace("into: appointments", "into: appointment")
    )

    lines = problems_of(write(tmp_path, text))

    assert [line.split(": ")[1] for line in lines] == [
        "title",
        "titel",
        "region",
        "entities.people.map.emial",
        "entities.visits.into",
    ]


def test_a_file_below_the_current_folder_is_named_as_one_would_type_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources").mkdir()
    path = write(tmp_path / "sources", changed("title: Acme CRM\n", ""))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError) as caught:
        load_source(path)

    assert str(caught.value) == "sources/acme.yaml:1:1: title: is missing"


def test_entities_that_are_no_mapping_are_said(tmp_path: Path) -> None:
    text = SMALL[: SMALL.index("entities:")] + "entities: [people]\n"

    assert problems_of(write(tmp_path, text)) == [
        "acme.yaml:15:1: entities: must be a mapping, not a list"
    ]


def test_a_mistake_in_a_merged_mapping_is_said_once(tmp_path: Path) -> None:
    text = changed(
        "  people:\n", "  people: &p\n    since_param: a\n    since_param: b\n"
    )
    text += "  others:\n    <<: *p\n    path: /others\n"

    assert problems_of(write(tmp_path, text)) == [
        "acme.yaml:17:5: entities.people.since_param: is written twice, in lines 17 "
        "and 18"
    ]


def test_a_base_url_is_never_repeated_because_it_may_hold_a_password(
    tmp_path: Path,
) -> None:
    text = changed("https://api.acme.example", "https://u:canary-1@api.acme.example")

    assert "canary-1" not in "".join(problems_of(write(tmp_path, text)))


def test_a_table_name_that_postgresql_would_cut_is_refused(tmp_path: Path) -> None:
    source, entity = "s" * 40, "e" * 23
    text = SMALL.replace("source: acme", f"source: {source}")

    lines = problems_of(write(tmp_path, text.replace("  people:", f"  {entity}:")))

    assert lines == [
        f"acme.yaml:16:3: entities.{entity}: the table raw.{source}_{entity} has a "
        "name of 64 characters, and PostgreSQL takes 63; shorten one of the names"
    ]
    assert load_source(write(tmp_path, text.replace("  people:", f"  {entity[1:]}:")))
