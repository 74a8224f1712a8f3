"""ActiveProspect's deliveries: whole leads in three forms, again until taken."""

import json
from urllib.parse import parse_qsl

import pytest
from lxml import etree
from webhook_target import Delivery, WebhookTarget

from include.sandbox.crm import Crm

_SECRET = "an invented secret"


@pytest.fixture
def crm(sandbox):
    crm = sandbox.crm("activeprospect")
    yield crm
    crm.admin("DELETE", "/webhooks")


def subscribe(crm: Crm, target: WebhookTarget, **more: object) -> None:
    call = {"target": target.url, "secret": _SECRET, **more}
    crm.admin("POST", "/webhooks", call)


def truth(crm: Crm, source_id: str, into: str | None = None) -> dict:
    [line] = [
        each for each in crm.truth("leads", into) if each["source_id"] == source_id
    ]
    return line


def of_kind(deliveries: list[Delivery], kind: str) -> bytes:
    [body] = [d.body for d in deliveries if d.headers["content-type"] == kind]
    return body


def test_a_lead_that_comes_or_changes_is_delivered_whole(crm):
    with WebhookTarget() as target:
        subscribe(crm, target, forms=["json"])
        [born] = crm.move("leads", "create")
        [first] = target.wait(1)
        [changed] = crm.move("leads", "change")
        _, second = target.wait(2)
        crm.move("leads", "delete")
        crm.move("events", "change")
        crm.move("leads", "create")
        *_, third = target.wait(3)

    assert (first.headers["x-api-key"], first.events["id"]) == (_SECRET, born)
    assert second.events["outcome"] == truth(crm, changed)["status"]
    assert third.events["id"] not in (born, changed)
    assert len(target.deliveries) == 3


def test_the_forms_say_the_same(crm):
    with WebhookTarget() as target:
        for count, form in enumerate(("json", "form", "xml"), 1):
            subscribe(crm, target, forms=[form], header="X-Other")
            crm.move("leads", "create")
            came = target.wait(count)

    assert {each.headers["x-other"] for each in came} == {_SECRET}
    form = of_kind(came, "application/x-www-form-urlencoded")
    fields = dict(parse_qsl(form.decode()))
    lead = json.loads(of_kind(came, "application/json"))
    xml = etree.fromstring(of_kind(came, "application/xml"))
    for source_id, name in (
        (fields["id"], fields.get("lead.last_name") or fields["lead[last_name]"]),
        (lead["id"], lead["lead"]["last_name"]),
        (xml.findtext("id"), xml.findtext("lead/last_name")),
    ):
        assert truth(crm, source_id, "contacts")["last_name"] == name


def test_what_is_not_taken_comes_again_and_some_come_twice_or_bad(crm):
    with WebhookTarget(503) as target:
        subscribe(crm, target, forms=["json"], duplicates=1.0, bad=1.0)
        [born] = crm.move("leads", "create")
        came = target.wait(4)

    assert crm.admin("GET", "/webhooks")["failed_attempts"] == 1
    assert (
        sum(each.body.endswith(b"}") and born.encode() in each.body for each in came)
        >= 2
    )


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"target": "ftp://x", "secret": "x"},
        {"target": "http://x", "secret": "x", "forms": ["csv"]},
        {"target": "http://x", "secret": "x", "more": 1},
    ],
)
def test_a_call_that_says_something_else_is_refused(crm, call):
    with pytest.raises(ValueError, match=r"webhooks takes|must be a URL|forms are of"):
        crm.admin("POST", "/webhooks", call)
