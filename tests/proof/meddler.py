"""Stands between a client and a sandbox, and changes what passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import requests

from tests.proof.house import House
from tests.unit.clients.scripted_server import Reply, Request, ScriptedServer

#: Takes a request and the sandbox's answer, gives what the client shall see.
Meddling = Callable[[Request, Reply], Reply]

#: System -> its entity with the most to go wrong.
MAIN = {
    "genius": "prospects",
    "hubspot": "contacts",
    "marketsharp": "contacts",
    "activeprospect": "leads",
}
#: What belongs to a connection, not to a request; the length is the HTTP library's.
_NOT_PASSED_ON = frozenset(("accept-encoding", "connection", "content-length"))
_PASSED_BACK = ("Content-Type", "Date", "Link", "Retry-After")


class Meddler:
    """A server in front of one CRM of a sandbox, and a house that asks it.

    Args:
        house: The house whose CRM is stood in front of.
        server: Takes the requests.
        main: Its entity with the most to go wrong; None: that of :data:`MAIN`.

    Attributes:
        house: Asks this server instead of the CRM.
        meddling: What is done to the answers; None: nothing.
        lists: Paths at which the main entity's pages are asked for.
    """

    def __init__(
        self, house: House, server: ScriptedServer, main: str | None = None
    ) -> None:
        self.meddling: Meddling | None = None
        self._server = server
        self._http = requests.Session()
        self._http.trust_env = False
        system = house.sandbox.system
        parts = urlsplit(house.sandbox.base_url)
        self._crm = f"http://{parts.netloc}"
        self._addresses = {("127.0.0.1", server.port), ("127.0.0.1", parts.port)}
        self._root = parts.path
        base_url = f"http://127.0.0.1:{server.port}{parts.path}"
        self.house = _MeddledHouse(house, base_url)
        entity = house.source.entities[main or MAIN[system]]
        self.lists = {entity.path, entity.endpoints.get("search")}

    @property
    def requests(self) -> list[Request]:
        """What was asked for, in its order."""
        return self._server.requests

    @property
    def pages_asked(self) -> int:
        """How many requests were for pages of the main entity."""
        return sum(map(self.is_page, self.requests))

    def is_page(self, request: Request) -> bool:
        """Whether a page of the main entity is asked for."""
        return request.path.removeprefix(self._root) in self.lists

    def only_it(self, connected: set[tuple[str, int]]) -> bool:
        """Whether these hosts and ports are its own and those of the CRM behind it."""
        return connected <= self._addresses

    def strike(self, page: int, meddling: Meddling, *, times: int = 1) -> list[int]:
        """Meddle with the answers from the n-th request for a page on, so many times.

        Returns:
            Grows by the number of each request struck.
        """
        first, struck = self.pages_asked + page, list[int]()

        def meddle(request: Request, reply: Reply) -> Reply:
            number = self.pages_asked
            if not self.is_page(request) or number < first or len(struck) >= times:
                return reply
            struck.append(number)
            return meddling(request, reply)

        self.meddling = meddle
        return struck

    def answer(self, request: Request) -> Reply:
        """The sandbox's answer, meddled with."""
        answer = self._http.request(
            "POST" if request.body else "GET",
            self._crm + request.target,
            data=request.body or None,
            headers={
                name: text
                for name, text in request.headers.items()
                if name.lower() not in _NOT_PASSED_ON
            },
            timeout=60,
        )
        headers = {k: answer.headers[k] for k in _PASSED_BACK if k in answer.headers}
        reply = Reply(answer.status_code, answer.content, headers)
        return reply if self.meddling is None else self.meddling(request, reply)


class _MeddledHouse(House):
    """Asks one thing after the other, so that what is struck has a number."""

    def __init__(self, house: House, base_url: str) -> None:
        source = replace(house.source, in_flight=1)
        super().__init__(house.conninfo, house.sandbox, source)
        self._base_url = base_url

    @property
    def base_url(self) -> str:
        return self._base_url


@contextmanager
def meddler(house: House, main: str | None = None) -> Iterator[Meddler]:
    """A meddler at work in front of the house's CRM; see :class:`Meddler`."""
    server = ScriptedServer()
    between = Meddler(house, server, main)
    server.run(between.answer)
    with server.serving():
        yield between


def with_body(reply: Reply, body: bytes, **headers: str) -> Reply:
    """The same answer with another body; header names with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return replace(reply, body=body, headers={**reply.headers, **named})
