"""Contacts move in the sandbox's HubSpot, and the events of it, as a network has them.

Events come after what they tell of, but in any order: shuffled within and across
deliveries, some late, ``occurredAt`` out of order, ids of events used twice. Their
values are noise, for events are evidence and never data.
"""

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from include.sandbox.crm import Crm
from include.sandbox.hubspot.events import APP_ID, PORTAL_ID
from tests.proof.ledger_books import STATES, Books

Event = dict[str, Any]
#: ``again``: sent once more as it was; ``resent``: events that were told, in another
#: delivery; ``forged`` and ``stale``: must not be stored.
Kind = Literal["fresh", "again", "resent", "forged", "stale"]

_EVENTS_A_DELIVERY = 100
#: Of so many steps the first is told by deliveries of one event each: so quick a merge
#: is at them that it sees the end of the queue, where a smaller id may still be
#: missing.
_ALONE = 50
_EVENTS_A_MOVE = 20
#: Of a step's moves; the others change a record.
_CREATED, _DELETED = 0.10, 0.05
#: Of an event: of a kind that is not loaded, or of another portal.
_STRANGE = 0.005
_LATE = 0.10
#: Of a delivery, for each kind of it; times ``stir``.
_AGAIN, _RESENT, _FORGED, _STALE = 0.025, 0.025, 0.01, 0.01
#: Every so many-th event has the id of the one before it, as HubSpot's may.
_TWIN = 97
#: Numbers of events that must not be found: none that is told gets there.
NEVER = 1_000_000_000
_PROPERTIES = ("email", "phone", "firstname", "lifecyclestage")
_IGNORED, _FAILED = STATES.index("ignored"), STATES.index("failed")


@dataclass(frozen=True)
class Post:
    """A delivery to be made.

    Attributes:
        kind: What is done with it.
        events: What it brings, without the number of the attempt.
        numbers: Of these events, in the books.
        attempt: Number of the first attempt.
    """

    kind: Kind
    events: list[Event]
    numbers: list[int]
    attempt: int = 0


def event_id(number: int) -> int:
    """HubSpot's id of an event, which is not unique."""
    return 7_000_000 + number - (number % _TWIN == 0)


class Teller:
    """Moves contacts, and makes deliveries of what is to be told of it.

    Args:
        crm: HubSpot.
        books: What is told is noted here.
        events: How many are told in all; a multiple of the next.
        step: How many come of moves that are made at once.
        rng: Decides everything.
        stir: How many times as many deliveries as usual must change nothing.

    Attributes:
        began_ms: What ``occurredAt`` counts the numbers of events from.
    """

    def __init__(
        self,
        crm: Crm,
        books: Books,
        events: int,
        step: int,
        rng: random.Random,
        stir: float = 1.0,
    ) -> None:
        self._crm, self._books, self._rng, self._stir = crm, books, rng, stir
        assert events % step == 0
        self._events, self._step = events, step
        self.began_ms = int(time.time() * 1000) - events
        self._told: deque[tuple[int, Event]] = deque(maxlen=4 * step)
        self._gone: list[str] = []
        self._never = NEVER
        self._first_new = max(int(line["source_id"]) for line in crm.truth("contacts"))

    def posts(self) -> Iterator[Post]:
        """All deliveries, each as soon as what it tells has happened."""
        late: list[tuple[int, Event]] = []
        while (told := len(self._books.states)) < self._events:
            events = [*late, *self._happen(self._step)]
            self._rng.shuffle(events)
            is_last = told + self._step == self._events
            held = 0 if is_last else int(len(events) * _LATE)
            late, events = events[:held], events[held:]
            alone = told // self._step % _ALONE == 0
            size = 1 if alone else _EVENTS_A_DELIVERY
            for at in range(0, len(events), size):
                yield from self._mixed(events[at : at + size])

    def _mixed(self, events: list[tuple[int, Event]]) -> Iterator[Post]:
        """A delivery and, now and then, one that must change nothing."""
        self._told.extend(events)
        again = self._is_due(_AGAIN)
        yield self._post("again" if again else "fresh", events)
        if self._is_due(_RESENT):
            most = min(_EVENTS_A_DELIVERY, len(self._told))
            yield self._post("resent", self._rng.sample(self._told, most), attempt=1)
        if self._is_due(_FORGED):
            yield self._post("forged", self._invented())
        if self._is_due(_STALE):
            yield self._post("stale", self._invented())

    def _is_due(self, share: float) -> bool:
        return self._rng.random() < share * self._stir

    @staticmethod
    def _post(kind: Kind, events: list[tuple[int, Event]], attempt: int = 0) -> Post:
        numbers = [number for number, _ in events]
        return Post(kind, [event for _, event in events], numbers, attempt)

    def _invented(self) -> list[tuple[int, Event]]:
        """Events that never happened, of records that there are."""
        found = []
        for _ in range(self._rng.randint(1, _EVENTS_A_DELIVERY)):
            self._never += 1
            target = self._rng.choice(self._books.objects)
            found.append((self._never, self._event(self._never, target, "deletion")))
        return found

    def _happen(self, events: int) -> Iterator[tuple[int, Event]]:
        """Move contacts, and tell so many events of it."""
        told, before = self._moved(events // _EVENTS_A_MOVE), -1
        for at in range(events):
            move = at * len(told) // events
            kind, about = told[move]
            # The first of a move says what happened, the others what it did.
            yield self._tell("propertyChange" if move == before else kind, about)
            before = move

    def _moved(self, moves: int) -> list[tuple[str, Event]]:
        """Make so many moves; returns kind and words of each."""
        crm, new, gone = self._crm, int(moves * _CREATED), int(moves * _DELETED)
        created = crm.move("contacts", "create", new)
        deleted = crm.move("contacts", "delete", gone)
        changed = crm.move("contacts", "change", moves - new - gone - 2)
        told = [("creation", _about(each)) for each in created]
        told += [("deletion", _about(each)) for each in deleted]
        told += [("propertyChange", _about(each)) for each in changed]
        self._books.moves.update(str(about["objectId"]) for _, about in told)
        self._books.gone.update(deleted)
        told += [*self._restored(), self._merged()]
        self._gone += [each for each in deleted if int(each) <= self._first_new]
        self._rng.shuffle(told)
        return told

    def _restored(self) -> Iterator[tuple[str, Event]]:
        """One that lived at the beginning and was deleted before comes back."""
        if self._gone:
            source_id = self._gone.pop(self._rng.randrange(len(self._gone)))
            self._crm.admin("POST", "/contacts/restore", {"ids": [source_id]})
            self._books.moves[source_id] += 1
            yield "restore", _about(source_id)

    def _merged(self) -> tuple[str, Event]:
        """One contact becomes part of another."""
        done = self._crm.admin("POST", "/contacts/merge", {})
        survivor, lost = done["survivor"], done["ids"]
        self._books.moves.update([survivor, *lost])
        self._books.gone.update(lost)
        merged = [int(each) for each in lost]
        primary = {"primaryObjectId": int(survivor), "mergedObjectIds": merged}
        return "merge", _about(survivor) | primary

    def _tell(self, kind: str, about: Event) -> tuple[int, Event]:
        about, state = dict(about), 0
        if kind == "propertyChange" and self._rng.random() < 2 * _STRANGE:
            state = self._rng.choice((_IGNORED, _FAILED))
        number = self._books.tell(about["objectId"], state)
        if kind == "merge":
            lost = (str(each) for each in about["mergedObjectIds"])
            self._books.subjects[number] = frozenset([str(about["objectId"]), *lost])
        else:
            about = _about(about["objectId"])
        if state == _IGNORED:
            kind = "conversationChange"
        event = self._event(number, about["objectId"], kind) | about
        if state == _FAILED:
            event["portalId"] = PORTAL_ID + 1
        return number, event

    def _event(self, number: int, object_id: int, kind: str) -> Event:
        event = {
            "eventId": event_id(number),
            "subscriptionId": 12,
            "portalId": PORTAL_ID,
            "appId": APP_ID,
            "occurredAt": self.began_ms + number,
            "subscriptionType": f"contact.{kind}",
            "objectId": object_id,
            "changeSource": "CRM_UI",
        }
        if kind == "propertyChange":
            event["propertyName"] = self._rng.choice(_PROPERTIES)
            event["propertyValue"] = f"noise {number}"
        return event


def _about(source_id: str | int) -> Event:
    return {"objectId": int(source_id)}
