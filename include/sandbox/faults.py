"""Faults that admin calls switch on: what can go wrong, where, how often."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from include.sandbox.errors import BadRequestError, UnknownPathError

Number = (int, float)
#: Kind -> its options and their types; ``docs/sandbox.md`` explains them.
KINDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "latency": {"seconds": Number, "jitter": Number},
    "status": {
        "status": int,
        "retry_after": (int, str),
        "retry_date": Number,
        "body": str,
    },
    "reset": {},
    "truncate": {"length": str},
    "html": {"status": int},
    "empty": {"status": int},
    "no_date": {},
    "repeat_page": {},
    "loop": {"page": int},
    "page_shift": {},
    "short_page": {},
    "empty_page": {},
    "shuffle_page": {},
    "lying_total": {"delta": int},
    "xml_attack": {"form": str},
    "rename_field": {"field": str, "to": str},
    "drop_field": {"field": str},
    "retype_field": {"field": str},
}
#: The kind that strikes before a request is counted: it comes later.
LATENCY = "latency"
#: The kinds that change what records look like; all their options are required.
DRIFTS = ("rename_field", "drop_field", "retype_field")
_COMMON = ("kind", "path", "query", "count", "probability", "after")
#: What ``truncate`` tells about the length of the body that it cuts.
TRUNCATE_LENGTHS = ("full", "sent", "chunked")
#: What ``xml_attack`` sends instead of a page of XML.
XML_ATTACKS = (
    "external_entity",
    "entity_bomb",
    "doctype",
    "many_elements",
    "nul",
    "utf16",
    "deep_nesting",
)


@dataclass(slots=True)
class Fault:
    """One fault and where it strikes.

    Attributes:
        number: Id, for lists and switching off.
        kind: Key of ``KINDS``.
        path: Glob over the path below the system's root, e.g. ``/prospects*``.
        query: Parameters that a request must have, e.g. ``{"page": "3"}``.
        count: Times it still strikes; None: until switched off.
        probability: Share of matching requests that it strikes.
        after: Matching requests that pass before it begins.
        options: Options of its kind.
        struck: Times it has struck.
        roll: The last throw (0..1), which decides a latency's jitter on the way there.
    """

    number: int
    kind: str
    path: str = "*"
    query: dict[str, str] = field(default_factory=dict)
    count: int | None = None
    probability: float = 1.0
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    struck: int = 0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class Delay:
    """What holds a request up.

    Attributes:
        there: Seconds until it comes.
        back: Seconds that its answer takes.
        numbers: Ids of the faults.
    """

    there: float
    back: float
    numbers: tuple[int, ...]


class FaultBox:
    """The faults of one system."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._faults: dict[int, Fault] = {}
        self._dice: dict[int, Random] = {}
        self._next = 1

    def add(self, call: Mapping[str, Any]) -> int:
        """Switch on the fault that an admin call describes; returns its id.

        Raises:
            BadRequestError: The call names what does not exist.
        """
        fault = parse_fault(self._next, call)
        self._faults[fault.number] = fault
        self._dice[fault.number] = Random(f"{self._seed}/fault/{fault.number}")
        self._next += 1
        return fault.number

    def remove(self, number: int) -> None:
        """Switch off one fault."""
        if self._faults.pop(number, None) is None:
            raise UnknownPathError(f"there is no fault {number}")

    def clear(self) -> None:
        """Switch off all faults."""
        self._faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        """All faults that are or were switched on, with how often they struck."""
        return [asdict(fault) for fault in self._faults.values()]

    def strike(self, path: str, query: Mapping[str, str]) -> list[Fault]:
        """The faults that this request suffers once it has come; counts them down.

        Args:
            path: Path below the system's root.
            query: Its parameters.
        """
        return [
            fault
            for fault in self._faults.values()
            if fault.kind != LATENCY and self._strikes(fault, path, query)
        ]

    def delay(self, path: str, query: Mapping[str, str]) -> Delay:
        """How long a request and its answer are under way; counts latencies down.

        Args:
            path: Path below the system's root.
            query: Its parameters.
        """
        struck = [
            fault
            for fault in self._faults.values()
            if fault.kind == LATENCY and self._strikes(fault, path, query)
        ]
        return Delay(
            there=sum(_half(each, each.roll) for each in struck),
            back=sum(_half(each, self._dice[each.number].random()) for each in struck),
            numbers=tuple(each.number for each in struck),
        )

    def _strikes(self, fault: Fault, path: str, query: Mapping[str, str]) -> bool:
        if fault.count == 0 or not fnmatchcase(path, fault.path):
            return False
        if any(query.get(name) != value for name, value in fault.query.items()):
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        dice = self._dice[fault.number]
        if dice.random() >= fault.probability:
            return False
        fault.roll = dice.random()
        if fault.count is not None:
            fault.count -= 1
        fault.struck += 1
        return True


def _half(fault: Fault, roll: float) -> float:
    """Seconds that one way of two takes."""
    seconds, jitter = (
        fault.options.get("seconds", 0.0),
        fault.options.get("jitter", 0.0),
    )
    return float(seconds + jitter * roll) / 2


def parse_fault(number: int, call: Mapping[str, Any]) -> Fault:
    """The fault that an admin call describes.

    Raises:
        BadRequestError: Unknown kind or option, or a value of the wrong type.
    """
    kind = call.get("kind")
    if kind not in KINDS:
        raise BadRequestError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    options = {name: v for name, v in call.items() if name not in _COMMON}
    _check_options(kind, options)
    count, after = call.get("count"), int(call.get("after", 0))
    if after < 0 or (count is not None and int(count) < 0):
        raise BadRequestError("count and after must not be negative")
    return Fault(
        number=number,
        kind=kind,
        path=str(call.get("path", "*")),
        query={k: str(v) for k, v in dict(call.get("query", {})).items()},
        count=None if count is None else int(count),
        probability=float(call.get("probability", 1.0)),
        after=after,
        options=options,
    )


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name not in KINDS[kind]:
            known = ", ".join(KINDS[kind]) or "none"
            raise BadRequestError(f"{kind} has no option {name!r}; it has: {known}")
        if not isinstance(value, KINDS[kind][name]):
            raise BadRequestError(f"{kind}: {name} has the wrong type")
    if kind in DRIFTS and (missing := set(KINDS[kind]) - set(options)):
        raise BadRequestError(f"{kind} needs the option {min(missing)!r}")
    if options.get("length", "full") not in TRUNCATE_LENGTHS:
        raise BadRequestError(f"truncate: length is one of {TRUNCATE_LENGTHS}")
    if kind == "xml_attack" and options.get("form") not in XML_ATTACKS:
        raise BadRequestError(f"xml_attack: form is one of {XML_ATTACKS}")
    if not 200 <= options.get("status", 200) <= 599:
        raise BadRequestError("status is a number from 200 to 599")
