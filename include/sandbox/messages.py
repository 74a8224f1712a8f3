"""A request and an answer, as systems and admin calls see them."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(slots=True)
class Request:
    """One HTTP request.

    Attributes:
        path: Decoded, without query.
        query: Last value of each parameter.
        headers: As sent; names in lower case.
        body: Of a POST or an admin call; otherwise empty.
        url_length: Characters of path and query as sent.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    url_length: int = 0

    def header(self, name: bytes) -> bytes:
        """Value of a header, or empty bytes."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""


@dataclass(slots=True)
class Answer:
    """One HTTP answer; length and date are added when it is sent."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


def json_answer(status: int, value: Any) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(value, separators=(",", ":")).encode())


def error_answer(status: int, message: str) -> Answer:
    """An answer that says what is wrong."""
    return json_answer(status, {"error": message})


def parse_query(raw: bytes) -> dict[str, str]:
    """Parameters of a raw query string; the last of equal names wins."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
