"""What a CRM posts by itself: in the background, again until it is taken."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import httpx

_IN_FLIGHT = 5
#: HubSpot waits this long for an answer.
_ANSWER_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0

Note = TypeVar("Note")


class Post(NamedTuple):
    """One attempt."""

    url: str
    body: bytes
    headers: Mapping[str, str]


Attempt = Callable[[list[Note], int], Post]


class Outbox(ABC, Generic[Note]):
    """Posts notes, those of one admin call together as ``packed`` says."""

    def __init__(self) -> None:
        self._packs: asyncio.Queue[list[Note]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._fresh: list[Note] = []
        self._queued = self._delivered = self._failed_attempts = 0
        self._last_status: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it posts at all."""
        return self._task is not None

    @abstractmethod
    def packed(self, notes: list[Note]) -> Iterable[list[Note]]:
        """What is posted at once."""

    def begin(self, post: Attempt[Note]) -> None:
        """Post from now on.

        Args:
            post: How a pack is posted, and as which attempt, from 0.
        """
        self.end()
        self._task = asyncio.create_task(self._run(post))

    def end(self) -> None:
        """Post nothing any more; what is queued is forgotten."""
        if self._task is not None:
            self._task.cancel()
        self._task = None
        self._packs = asyncio.Queue()
        self._fresh = []
        self._queued = 0

    def state(self) -> dict[str, Any]:
        """JSON object: notes queued and delivered, attempts that failed."""
        return {
            "subscribed": self.is_open,
            "queued": self._queued,
            "delivered": self._delivered,
            "failed_attempts": self._failed_attempts,
            "last_status": self._last_status,
        }

    def put(self, notes: list[Note]) -> None:
        """Queue them, with those of the same admin call."""
        if not self._fresh:
            asyncio.get_running_loop().call_soon(self._flush)
        self._fresh += notes
        self._queued += len(notes)

    def _flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        for pack in self.packed(fresh):
            self._packs.put_nowait(pack)

    async def _run(self, post: Attempt[Note]) -> None:
        packs = self._packs
        async with httpx.AsyncClient(
            trust_env=False, timeout=_ANSWER_SECONDS
        ) as client:
            await asyncio.gather(
                *(self._work(client, packs, post) for _ in range(_IN_FLIGHT))
            )

    async def _work(
        self,
        client: httpx.AsyncClient,
        packs: "asyncio.Queue[list[Note]]",
        post: Attempt[Note],
    ) -> None:
        while True:
            pack = await packs.get()
            pause, attempt = _FIRST_PAUSE_SECONDS, 0
            while not await self._send(client, post(pack, attempt)):
                self._failed_attempts += 1
                await asyncio.sleep(pause)
                pause, attempt = min(2 * pause, _LONGEST_PAUSE_SECONDS), attempt + 1
            self._queued -= len(pack)
            self._delivered += len(pack)

    async def _send(self, client: httpx.AsyncClient, post: Post) -> bool:
        try:
            answer = await client.post(
                post.url, content=post.body, headers=dict(post.headers)
            )
        except httpx.HTTPError:
            self._last_status = None
            return False
        self._last_status = answer.status_code
        return answer.is_success
