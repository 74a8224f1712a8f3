"""HubSpot's webhooks: what they say, how they are signed, when they come again."""

import base64
import hashlib
import hmac
import itertools
import time

import pytest
from webhook_target import WebhookTarget

from include.sandbox.hubspot.events import APP_ID, PORTAL_ID

_SECRET = "an invented secret"
_KEYS = {
    "eventId", "subscriptionId", "portalId", "appId", "occurredAt",
    "subscriptionType", "attemptNumber", "objectId", "changeSource",
}  # fmt: skip


def subscribe(hubspot, target, **more):
    call = {"target": target.url, "secret": _SECRET, **more}
    return hubspot.crm.admin("POST", "/webhooks", call)


def delivered(hubspot, count):
    """State of the webhooks once so many events are delivered."""
    deadline = time.monotonic() + 15
    while (state := hubspot.crm.admin("GET", "/webhooks"))["delivered"] < count:
        assert time.monotonic() < deadline, state
        time.sleep(0.01)
    return state


def signed(delivery, url):
    timestamp = delivery.headers["x-hubspot-request-timestamp"]
    text = b"POST" + url.encode() + delivery.body + timestamp.encode()
    digest = hmac.new(_SECRET.encode(), text, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def test_nothing_is_sent_to_nobody(hubspot):
    hubspot.crm.move("contacts", "change", 3)

    assert hubspot.crm.admin("GET", "/webhooks") == {
        "subscribed": False,
        "queued": 0,
        "delivered": 0,
        "failed_attempts": 0,
        "last_status": None,
    }


@pytest.mark.parametrize(
    ("entity", "one"),
    [("contacts", "contact"), ("deals", "deal"), ("companies", "company")],
)
def test_each_move_is_told(hubspot, entity, one):
    with WebhookTarget() as target:
        subscribe(hubspot, target)
        begun = time.time_ns() // 1_000_000
        [born] = hubspot.crm.move(entity, "create")
        target.wait(1)
        [gone] = hubspot.crm.move(entity, "delete")
        target.wait(2)
        before = {r["id"]: r["properties"] for r in hubspot.all(entity)}
        [changed] = hubspot.crm.move(entity, "change")
        creation, deletion, change = [d.events for d in target.wait(3)]
        after = {r["id"]: r["properties"] for r in hubspot.all(entity)}
    ended = time.time_ns() // 1_000_000

    assert [(e["subscriptionType"], e["objectId"]) for e in creation + deletion] == [
        (f"{one}.creation", int(born)),
        (f"{one}.deletion", int(gone)),
    ]
    assert [set(event) for event in creation + deletion] == [_KEYS, _KEYS]
    differs = {
        name: value
        for name, value in after[changed].items()
        if value != before[changed][name] and "modified" not in name
    }
    assert {e["propertyName"]: e["propertyValue"] for e in change} == differs
    assert differs
    events = creation + deletion + change
    for event in events:
        assert (event["portalId"], event["appId"]) == (PORTAL_ID, APP_ID)
        assert (event["changeSource"], event["attemptNumber"]) == ("CRM_UI", 0)
        assert begun <= event["occurredAt"] <= ended
        assert isinstance(event["subscriptionId"], int)
    for event in change:
        assert set(event) == _KEYS | {"propertyName", "propertyValue"}
        assert event["subscriptionType"] == f"{one}.propertyChange"
        assert event["objectId"] == int(changed)
    assert len({event["eventId"] for event in events}) == len(events)


def test_a_bulk_edit_is_told_by_the_time_of_change(hubspot):
    with WebhookTarget() as target:
        subscribe(hubspot, target)
        moment = "2026-09-30T00:00:00.500Z"
        hubspot.crm.admin("POST", "/deals/stamp", {"count": 1, "at": moment})
        [[event]] = [d.events for d in target.wait(1)]

    assert event["propertyName"] == "hs_lastmodifieddate"
    assert event["propertyValue"] == moment


def test_posts_are_signed_over_their_exact_bytes(hubspot):
    with WebhookTarget() as target:
        subscribe(hubspot, target)
        hubspot.crm.move("contacts", "create")
        [delivery] = target.wait(1)

    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["x-hubspot-signature-v3"] == signed(delivery, target.url)
    age = time.time_ns() // 1_000_000 - int(
        delivery.headers["x-hubspot-request-timestamp"]
    )
    assert 0 <= age < 60_000


def test_the_public_url_is_signed_with_its_escapes_undone(hubspot):
    public = "https://crm.example.com/a%2Fb?c=%40d%20e"
    with WebhookTarget() as target:
        subscribe(hubspot, target, public_url=public)
        hubspot.crm.move("contacts", "create")
        [delivery] = target.wait(1)

    expected = signed(delivery, "https://crm.example.com/a/b?c=@d%20e")
    assert delivery.headers["x-hubspot-signature-v3"] == expected


def test_at_most_a_hundred_events_a_post_and_five_posts_at_once(hubspot):
    with WebhookTarget(held=True) as target:
        subscribe(hubspot, target)
        hubspot.crm.move("contacts", "create", 650)
        target.wait(5)
        # What would be sent besides is on its way before these are answered.
        for _ in range(50):
            hubspot.page("contacts")
        at_once = len(target.deliveries)
        target.answer()
        deliveries = target.wait(7)
        state = delivered(hubspot, 650)

    assert sorted(len(d.events) for d in deliveries) == [50] + [100] * 6
    assert len({e["objectId"] for d in deliveries for e in d.events}) == 650
    assert at_once == 5
    assert state == {
        "subscribed": True,
        "queued": 0,
        "delivered": 650,
        "failed_attempts": 0,
        "last_status": 200,
    }


def test_what_is_refused_comes_again_ever_later(hubspot):
    with WebhookTarget(500, 401, 302) as target:
        subscribe(hubspot, target)
        hubspot.crm.move("contacts", "create")
        deliveries = target.wait(4)
        state = delivered(hubspot, 1)

    assert [d.events[0].pop("attemptNumber") for d in deliveries] == [0, 1, 2, 3]
    assert len({d.events[0]["eventId"] for d in deliveries}) == 1
    times = [d.at for d in deliveries]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[0] >= 0.2
    assert pauses[1] >= 0.4
    assert pauses[2] >= 0.8
    assert (state["failed_attempts"], state["last_status"]) == (3, 200)


def test_a_receiver_that_is_down_gets_everything_later(hubspot):
    target = WebhookTarget()
    target._server.server_close()
    subscribe(hubspot, target)
    hubspot.crm.move("contacts", "create", 2)

    deadline = time.monotonic() + 15
    while not (state := hubspot.crm.admin("GET", "/webhooks"))["failed_attempts"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert (state["queued"], state["delivered"], state["last_status"]) == (2, 0, None)


def test_the_end_of_a_subscription(hubspot):
    with WebhookTarget() as target:
        subscribe(hubspot, target)
        hubspot.crm.move("contacts", "create")
        target.wait(1)
        ended = hubspot.crm.admin("DELETE", "/webhooks")
        hubspot.crm.move("contacts", "create")
        subscribe(hubspot, target)
        [later] = hubspot.crm.move("contacts", "create")
        _, second = target.wait(2)

    assert (ended["subscribed"], ended["queued"]) == (False, 0)
    assert [event["objectId"] for event in second.events] == [int(later)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "takes target, secret"),
        ({"target": "http://x", "secret": "s", "port": "1"}, "takes target, secret"),
        ({"target": "ftp://x", "secret": "s"}, "http or https"),
        ({"target": 7, "secret": "s"}, "are texts"),
    ],
)
def test_impossible_subscriptions_are_refused(hubspot, call, message):
    with pytest.raises(ValueError, match=message):
        hubspot.crm.admin("POST", "/webhooks", call)
    assert hubspot.crm.admin("GET", "/webhooks")["subscribed"] is False


def test_a_reset_ends_the_subscription(hubspot, sandbox):
    with WebhookTarget(*[500] * 50) as former, WebhookTarget(*[500] * 3) as target:
        subscribe(hubspot, former)
        hubspot.crm.move("contacts", "create")
        former.wait(1)

        sandbox.reset()

        posts = len(former.deliveries)
        assert hubspot.crm.admin("GET", "/webhooks")["subscribed"] is False
        subscribe(hubspot, target)
        hubspot.crm.move("contacts", "create")
        target.wait(4)
        assert len(former.deliveries) == posts
