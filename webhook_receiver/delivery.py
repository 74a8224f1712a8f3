"""What a source sends, and what is known of the source."""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook_receiver.refusals import RefusalError


@dataclass(frozen=True, slots=True, repr=False)
class Sender:
    """A source that may post here.

    Attributes:
        secrets: Any of them may have signed: two during a rotation.
        public_url: Base URL that the source calls, without trailing slash. Not taken
            from the request: behind a proxy it would be wrong, and it can be forged.
    """

    secrets: tuple[bytes, ...]
    public_url: str


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """One POST as it came.

    Attributes:
        method: As called.
        url: Public URL, path and query with the very escapes that were called.
        headers: Those that the source's verifier wants; names in lower case.
        body: The exact bytes.
    """

    method: str
    url: bytes
    headers: Mapping[str, str]
    body: bytes


class SignatureError(RefusalError):
    """The delivery is not proven to be its source's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(401, code, message)
