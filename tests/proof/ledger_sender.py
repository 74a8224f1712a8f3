"""HubSpot over sixteen connections: each delivery comes again until it is taken."""

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

from include.local_stack.ports import HOST
from tests.proof.hubspot_sender import PATH, now_ms, signed
from tests.proof.ledger_books import Books
from tests.proof.ledger_teller import Event, Post
from tests.proof.receiver_clients import HARMLESS

#: HubSpot waits this long for an answer.
_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0
#: Older than the receiver believes.
_STALE_SECONDS = 301
_WAITING = 100
_SIGNATURE, _TIMESTAMP = "X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"
_TAKEN, _REFUSED, _EXPIRED = "200", "401 SIGNATURE_INVALID", "503 SIGNATURE_EXPIRED"

Headers = dict[str, str]


class Sender:
    """One connection, kept as long as the receiver keeps it.

    Args:
        port: Where the receiver is now.
        books: What was sent and answered.
        rng: Decides how a delivery comes again, and how one is forged.
    """

    def __init__(
        self, port: Callable[[], int], books: Books, rng: random.Random
    ) -> None:
        self._port, self._books, self._rng = port, books, rng
        self._door: HTTPConnection | None = None

    def deliver(self, post: Post) -> None:
        """Until it has the answer that ends it."""
        if post.kind == "forged":
            self._insist(post.kind, *self._forged(post), _REFUSED)
        elif post.kind == "stale":
            body = _body(post.events, post.attempt)
            headers = signed(body, timestamp=now_ms(-_STALE_SECONDS))
            self._insist(post.kind, headers, body, _EXPIRED)
        else:
            headers, body = self._taken(post)
            if post.kind == "again":
                self._insist(post.kind, headers, body, _TAKEN)

    def close(self) -> None:
        """Hang up."""
        if self._door is not None:
            self._door.close()
        self._door = None

    def _taken(self, post: Post) -> tuple[Headers, bytes]:
        """Send it until it is taken: as it was, or as another attempt, signed anew."""
        attempt, deadline = post.attempt, time.monotonic() + _PATIENCE_SECONDS
        headers, body = self._signed(post, attempt)
        while self._answer(post.kind, headers, body) != _TAKEN:
            assert time.monotonic() < deadline, self._books.answers
            time.sleep(_PAUSE_SECONDS)
            if self._rng.random() < 0.5:
                attempt += 1
                headers, body = self._signed(post, attempt)
        self._books.note_taken(_key(headers), post.numbers)
        return headers, body

    def _signed(self, post: Post, attempt: int) -> tuple[Headers, bytes]:
        body = _body(post.events, attempt)
        headers = signed(body)
        self._books.note_sent(_key(headers), body)
        return headers, body

    def _forged(self, post: Post) -> tuple[Headers, bytes]:
        """Of somebody without the secret, who may have seen what HubSpot signed."""
        body = _body(post.events, post.attempt)
        how = self._rng.randrange(3)
        if how == 0:
            return signed(body, secret="guessed"), body
        if how == 1:
            return signed(_body(post.events, post.attempt + 1)), body
        # The right signature of these bytes, under another time than was signed.
        old = now_ms(-_STALE_SECONDS)
        return signed(body, timestamp=old) | {_TIMESTAMP: str(now_ms())}, body

    def _insist(self, kind: str, headers: Headers, body: bytes, end: str) -> None:
        """Send it, the same each time, until this answer comes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (answer := self._answer(kind, headers, body)) != end:
            if answer == _TAKEN:
                return  # the answers tell, and the inbox
            assert time.monotonic() < deadline, self._books.answers
            time.sleep(_PAUSE_SECONDS)

    def _answer(self, kind: str, headers: Headers, body: bytes) -> str:
        answer = self._exchange(headers, body)
        self._books.note_answer(kind, answer)
        return answer

    def _exchange(self, headers: Headers, body: bytes) -> str:
        """Status, with its code where there is one, or how the connection ended."""
        try:
            if self._door is None:
                port = self._port()
                self._door = HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
            self._door.request("POST", PATH, body, headers)
            response = self._door.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            self.close()
            return type(error).__name__
        if response.status == 200:
            return _TAKEN
        return f"{response.status} {json.loads(text)['error']['code']}"


def _key(headers: Headers) -> str:
    """What the inbox tells deliveries apart by."""
    return f"{headers[_TIMESTAMP]}.{headers[_SIGNATURE]}"


def _body(events: list[Event], attempt: int) -> bytes:
    told: list[dict[str, Any]] = [
        {**event, "attemptNumber": attempt} for event in events
    ]
    return json.dumps(told).encode()


class Senders:
    """So many at once, from one line of deliveries.

    Args:
        port: Where the receiver is now.
        books: What was sent and answered.
        connections: How many.
        seed: Of what they decide.
    """

    def __init__(
        self, port: Callable[[], int], books: Books, connections: int, seed: int
    ) -> None:
        rngs = (random.Random(f"{seed}/{name}") for name in range(connections))
        self._senders = [Sender(port, books, rng) for rng in rngs]
        self._posts: queue.Queue[Post | None] = queue.Queue(_WAITING)
        self._faults: list[BaseException] = []

    @contextmanager
    def sending(self, posts: Iterable[Post]) -> Iterator[None]:
        """Send while the block runs, and then until all was taken.

        Raises:
            BaseException: What one of the threads could not do.
        """
        threads = [threading.Thread(target=self._tell, args=(posts,))]
        threads += [
            threading.Thread(target=self._send, args=(sender,))
            for sender in self._senders
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join()
        if self._faults:
            raise self._faults[0]

    @property
    def has_failed(self) -> bool:
        """Whether a thread has ended too early."""
        return bool(self._faults)

    def _tell(self, posts: Iterable[Post]) -> None:
        try:
            for post in posts:
                self._posts.put(post)
        except BaseException as error:  # noqa: BLE001  raised where the block ends
            self._faults.append(error)
        finally:
            for _ in self._senders:
                self._posts.put(None)

    def _send(self, sender: Sender) -> None:
        try:
            while (post := self._posts.get()) is not None:
                if not self._faults:
                    sender.deliver(post)
        except BaseException as error:  # noqa: BLE001  raised where the block ends
            self._faults.append(error)
            while self._posts.get() is not None:
                pass  # nobody waits for room
        finally:
            sender.close()


#: What may be answered to which kind of delivery, besides the end of a connection.
_ENDS = (HARMLESS - {"200", "503"}) | {"TimeoutError"}
_RIGHT = {"forged": {_REFUSED}, "stale": {_EXPIRED}}


def strange_answers(books: Books) -> Iterator[str]:
    """Answers that make a source give up, or believe what is not so."""
    for (kind, answer), times in sorted(books.answers.items()):
        right = _RIGHT.get(kind, {_TAKEN})
        if answer not in right | _ENDS and not answer.startswith("503"):
            yield f"{times} {kind} deliveries were answered {answer}"
