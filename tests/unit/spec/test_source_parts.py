"""Keys that only some sources need: cursors, kinds of requests, several rows, links."""

from pathlib import Path

import pytest
from source_yaml import changed, problems_of, write

from crm_warehouse.source_files import as_json, load_source
from crm_warehouse.spec import FieldMap, LinkMap, Paging, Quota

LEADS = """\
  visits:
    into: leads
    path: /visits
    records: data
    id: id
    endpoints: {search: /visits/search}
    associations: {contacts: /v4/visits/contacts}
    links:
      contacts: {from: people.list, id: id, type: kind}
    also:
      contacts:
        email: person.email
        status: {from: state, on_error: set_null}
    map:
      status: state
"""
VISITS = """\
  visits:
    into: appointments
    path: /visits
    records: data
    id: id
    map:
      scheduled_date: when
"""
NUMBERED = "{style: number, page_param: page, size_param: per_page, size: 50, "
CURSOR = "{style: cursor, cursor_param: after, size_param: n, next: p.next, size: 50, "


def test_cursor_paging(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, changed(NUMBERED, CURSOR)))

    assert source.paging == Paging("cursor", "after", "n", 50, 100, ("p", "next"))


def test_a_quota_of_one_kind_of_request(tmp_path: Path) -> None:
    text = changed("per: 1h}", "per: 1h, kind: search}")

    assert load_source(write(tmp_path, text)).quotas == (
        Quota("hourly", 1000, 3600.0, "search"),
    )


def test_webhooks_are_off_unless_the_file_says_so(tmp_path: Path) -> None:
    assert load_source(write(tmp_path)).webhooks is False
    text = changed("region: US", "region: US\nwebhooks: true")
    assert load_source(write(tmp_path, text)).webhooks is True


def test_a_tenth_is_kept_for_webhooks_unless_the_file_says_otherwise(
    tmp_path: Path,
) -> None:
    assert load_source(write(tmp_path)).webhook_share == 0
    with_webhooks = "region: US\nwebhooks: true"
    text = changed("region: US", with_webhooks)
    assert load_source(write(tmp_path, text)).webhook_share == 0.1
    text = changed("region: US", f"{with_webhooks}\nwebhook_share: 0.25")
    assert load_source(write(tmp_path, text)).webhook_share == 0.25


def test_whole_comparisons_are_weekly_unless_the_file_says_null(
    tmp_path: Path,
) -> None:
    assert load_source(write(tmp_path)).reconcile_schedule == "30 1 * * 6"
    text = changed("region: US", "region: US\nreconcile_schedule: null")
    assert load_source(write(tmp_path, text)).reconcile_schedule is None


def test_a_source_may_forget(tmp_path: Path) -> None:
    assert load_source(write(tmp_path)).forgets is False
    text = changed("region: US", "region: US\nforgets: true")
    assert load_source(write(tmp_path, text)).forgets is True


def test_an_entity_of_several_rows_and_links(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, changed(VISITS, LEADS)))
    visits = source.entities["visits"]

    assert visits.endpoints == {"search": "/visits/search"}
    assert visits.associations == {"contacts": "/v4/visits/contacts"}
    assert visits.links == (
        LinkMap("contacts", ("people", "list"), ("id",), ("kind",)),
    )
    assert visits.also == {
        "contacts": (
            FieldMap("email", (("person", "email"),)),
            FieldMap("status", (("state",),), "set_null"),
        )
    }
    contacts, leads = visits.views()
    assert (contacts.into, contacts.fields) == ("contacts", visits.also["contacts"])
    assert (contacts.links, contacts.also) == ((), {})
    assert leads is visits


def test_the_stored_definition_holds_them_as_written(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, changed(VISITS, LEADS)))
    shown = as_json(source, source.entities["visits"])["entity"]

    assert shown["also"] == {
        "contacts": [
            {
                "join": None,
                "on_error": None,
                "skip_empty": False,
                "paths": ["person.email"],
                "target": "email",
            },
            {
                "join": None,
                "on_error": "set_null",
                "skip_empty": False,
                "paths": ["state"],
                "target": "status",
            },
        ]
    }
    assert shown["links"] == [
        {
            "id_path": "id",
            "parent": "contacts",
            "path": "people.list",
            "type_path": "kind",
        }
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "        email: person.email",
            "        emial: person.email",
            "34:9: entities.visits.also.contacts.emial: unknown column 'emial' of "
            "contacts; did you mean 'email'?",
        ),
        (
            "      contacts:\n        email",
            "      leads:\n        name",
            "33:7: entities.visits.also.leads: is the table of into already; map it "
            "there",
        ),
        (
            "      contacts:\n        email",
            "      contcts:\n        email",
            "33:7: entities.visits.also.contcts: unknown word 'contcts'; did you mean "
            "'contacts'?",
        ),
        (
            "      contacts: {from: people.list",
            "      users: {from: people.list",
            "31:7: entities.visits.links.users: leads have no table of links to users",
        ),
        (
            "type: kind}",
            "typ: kind}",
            "31:45: entities.visits.links.contacts.typ: unknown key 'typ'; did you "
            "mean 'type'?",
        ),
        (
            "{search: /visits/search}",
            "{search: visits}",
            "28:17: entities.visits.endpoints.search: 'visits' is no path under the "
            "base URL; write e.g. /contacts, without query",
        ),
    ],
)
def test_mistakes_in_them_are_named(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in LEADS
    path = write(tmp_path, changed(VISITS, LEADS.replace(old, new, 1)))

    assert problem in [line.removeprefix("acme.yaml:") for line in problems_of(path)]


def test_a_flag_is_true_or_false(tmp_path: Path) -> None:
    path = write(tmp_path, changed("region: US", "region: US\nwebhooks: sometimes"))

    assert problems_of(path) == [
        "acme.yaml:15:1: webhooks: must be true or false, not text"
    ]
