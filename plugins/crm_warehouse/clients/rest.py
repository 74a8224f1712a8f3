"""What clients of REST APIs have in common: lists in pages, records by id."""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from crm_warehouse.clients.auth import Auth, TokenSource, auth_of, basic_token
from crm_warehouse.clients.cost import (
    offset_pages_of,
    overlapping_pages_of,
    pages_of,
)
from crm_warehouse.clients.cursor import walk_cursor_pages
from crm_warehouse.clients.decoding import decode_json
from crm_warehouse.clients.interface import Cost, Found, Gate, Page, Window
from crm_warehouse.clients.keyset import walk_keyset_pages
from crm_warehouse.clients.listing import (
    Listing,
    read_listing,
    value_at,
    with_counts,
)
from crm_warehouse.clients.next_url import walk_next_urls
from crm_warehouse.clients.offset import walk_offset_pages
from crm_warehouse.clients.paging import walk_numbered_pages
from crm_warehouse.clients.request_path import Answer, RequestPath
from crm_warehouse.clients.transport import Transport
from crm_warehouse.connections import Connection
from crm_warehouse.errors import (
    AuthenticationError,
    ConfigurationError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.spec import Entity, SinceFormat, Source

#: ``style`` of a source's paging -> what walks such lists.
_WALKERS = {
    "number": walk_numbered_pages,
    "cursor": walk_cursor_pages,
    "offset": walk_offset_pages,
    "next_url": walk_next_urls,
    "link": walk_next_urls,
    "keyset": walk_keyset_pages,
}
#: Number of the first page, or records before it.
_FIRST = {"number": "1", "offset": "0"}
#: No place on earth has its midnight later than so long after UTC's.
_LATEST_MIDNIGHT = timedelta(hours=12)
_GONE_STATUSES = (404, 410)
#: Ids that an address would swallow: even quoted, HTTP libraries resolve the dots.
_NO_PATH_SEGMENTS = ("", ".", "..")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9+_/-]{0,60}")

_log = logging.getLogger(__name__)


class RestClient:
    """Client of a REST API. What its YAML cannot say, a subclass does.

    Args:
        source: Definition of the source.
        base_url: Where its API lives.
        token: API key or access token; or what gives the one to be sent now.
        gate: Grants quota, tells the time, and waits.
        transport: Sends one request.

    Raises:
        ConfigurationError: Base address or token cannot be used.
    """

    #: Header fields of every request.
    headers: ClassVar[dict[str, str]] = {
        "Accept": "application/json",
        "User-Agent": "crm-warehouse",
    }
    #: Refusals that this API also sends in passing: they are asked again, as faults.
    passing_statuses: ClassVar[frozenset[int]] = frozenset()

    def __init__(
        self,
        source: Source,
        *,
        base_url: str,
        token: str | TokenSource,
        gate: Gate,
        transport: Transport,
    ) -> None:
        self._source = source
        self._gate = gate
        self._request_path = RequestPath(
            transport,
            gate=gate,
            auth=self.make_auth(base_url, token),
            retry=source.retry,
            base_url=base_url,
            headers={**self.headers, **source.headers},
            decode=self.decode,
            passing=self.passing_statuses,
        )

    @staticmethod
    def token_of(source: Source, connection: Connection) -> str | TokenSource:
        """What a person put into the connection, as it is sent.

        Raises:
            ConfigurationError: It has no key or token.
        """
        if source.auth.style == "basic":
            return basic_token(connection.login, connection.password)
        if not connection.password:
            raise ConfigurationError(
                f"connection {connection.id}: no password; put the API key or token of"
                f" {source.title} there"
            )
        return connection.password

    @staticmethod
    def decode(body: bytes, content_type: str = "") -> Any:
        """How this API writes its answers.

        Raises:
            TransientSourceError: The body is none of them, or not whole.
        """
        return decode_json(body, content_type)

    def make_auth(self, base_url: str, token: str | TokenSource) -> Auth:
        """How this API wants to be shown the token."""
        return auth_of(self._source.auth, base_url, token)

    @staticmethod
    def read_list(entity: Entity, decoded: Any) -> Listing:
        """How this API shows a page of a list.

        Raises:
            TransientSourceError: The answer holds no list.
        """
        return read_listing(decoded, entity.records_path)

    @staticmethod
    def records_of(entity: Entity, listed: list[Any]) -> list[Any]:  # noqa: ARG004
        """The entity's own among what a list has: all, where each has its own list."""
        return listed

    @staticmethod
    def read_record(entity: Entity, decoded: Any) -> dict[str, Any]:
        """A record: bare, in the envelope of the lists, or named as it is named there.

        Raises:
            TransientSourceError: None; it must not be taken for "does not exist".
        """
        path = entity.records_path
        places = decoded, value_at(decoded, path), value_at(decoded, path[-1:])
        for candidate in places:
            if not isinstance(candidate, dict):
                continue
            if value_at(candidate, entity.id_path) is not None:
                return candidate
        raise TransientSourceError("the answer holds no record with an id")

    def iter_pages(
        self,
        entity: Entity,
        window: Window,
        *,
        checkpoint: dict[str, Any] | None,
        page_size: int,
    ) -> Iterator[Page]:
        """All pages of the window; see :class:`SourceClient`."""
        params = dict(entity.params)
        if entity.since_param is not None and window.since is not None:
            since = written_since(window.since, entity.since_format)
            params[entity.since_param] = since
        paging = self._source.paging
        return _WALKERS[paging.style](
            self._request_path,
            entity,
            paging,
            params=params,
            checkpoint=checkpoint,
            page_size=page_size,
            read=lambda decoded: self._read_page(entity, decoded),
        )

    def _read_page(self, entity: Entity, decoded: Any) -> Listing:
        listing = self.read_list(entity, decoded)
        return with_counts(listing, decoded, self._source.paging)

    def fetch(self, entity: Entity, source_id: str) -> dict[str, Any] | None:
        """One record by id; see :class:`SourceClient`.

        Raises:
            ConfigurationError: The entity has no ``deletes.confirm_path``.
            SourceError: The id cannot stand in an address, so nothing is known.
        """
        answer = self._ask_for(entity, source_id)
        return answer.value if answer is not None else None

    def fetch_many(self, entity: Entity, source_ids: Sequence[str]) -> Found:
        """Records by id, one request each; see :class:`SourceClient`."""
        begun = self._gate.now()
        answers = {each: self._ask_for(entity, each) for each in source_ids}
        found = [answer for answer in answers.values() if answer is not None]
        return Found(
            records=[answer.value for answer in found],
            missing=[each for each, answer in answers.items() if answer is None],
            observed_at=begun,
            # A refusal that says "not here" is one request.
            requests=sum(a.requests for a in found) + len(answers) - len(found),
        )

    def time_zone(self) -> str | None:
        """Name of the account's time zone; see :class:`SourceClient`."""
        path = self._source.account_path
        if path is None:
            return None
        try:
            return self._request_path.get(path, {}, _read_time_zone).value
        except (RequestRefusedError, AuthenticationError) as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            _log.warning("%s; its time zone stays unknown", error)
            return None

    def cost(
        self, entity: Entity, page_size: int, known: int | None, *, asks: bool = True
    ) -> Cost:
        """What a full load costs; see :class:`CostReader`."""
        paging, begun = self._source.paging, self._gate.now()
        sent = self._request_path.sent
        total = self._ask_total(entity) if asks else None
        size = max(1, min(page_size, paging.max_size))
        counted = total is not None
        records = total if counted else known
        pages = offset_pages_of if paging.style == "offset" else pages_of
        if paging.style == "number" and not counted:
            pages = overlapping_pages_of
        return Cost(
            records=records,
            requests=None if records is None else pages(records, size),
            searches=0,
            in_flight=1,
            trip_seconds=(self._gate.now() - begun).total_seconds() if asks else 0.0,
            spent=self._request_path.sent - sent,
            exact=counted,
        )

    def _ask_total(self, entity: Entity) -> int | None:
        """Records of a list by its shortest page; None: the source tells no number."""
        paging = self._source.paging
        params = {**entity.params, paging.size_param: "1"}
        if paging.style in _FIRST:
            params[paging.page_param] = _FIRST[paging.style]
        page = self._request_path.get(
            entity.path, params, lambda decoded: self._read_page(entity, decoded)
        ).value
        # An empty list needs no count.
        return page.total if page.records else page.total or 0

    def _ask_for(
        self, entity: Entity, source_id: str, params: Mapping[str, str] | None = None
    ) -> Answer[dict[str, Any]] | None:
        template = entity.deletes.confirm_path
        if template is None:
            raise ConfigurationError(
                f"{entity.source}: {entity.name} has no deletes.confirm_path, so its "
                f"records cannot be read by id"
            )
        path = template.replace("{id}", _path_segment(source_id))
        try:
            return self._request_path.get(
                path, params or {}, lambda decoded: self.read_record(entity, decoded)
            )
        except RequestRefusedError as error:
            if error.status in _GONE_STATUSES:
                return None
            raise

    def close(self) -> None:
        """Give back connections."""
        self._request_path.close()


def _read_time_zone(decoded: Any) -> str | None:
    """The zone in what HubSpot tells of an account.

    https://developers.hubspot.com/docs/api-reference/account-account-info-v3/guide
    """
    if not isinstance(decoded, dict):
        raise TransientSourceError("the answer about the account is no object")
    name = decoded.get("timeZone")
    return name if isinstance(name, str) and _ZONE.fullmatch(name) else None


def iso_seconds(moment: datetime) -> str:
    """ISO 8601 in UTC with ``Z``, fractions cut off.

    Cut off rather than rounded: a start too early reads a record twice, one too late
    misses it.
    """
    moment = moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    return f"{moment.isoformat()}Z"


def written_since(moment: datetime, form: SinceFormat) -> str:
    """The beginning of a window as a source wants it; never later than it is.

    A date is one that has begun everywhere: whose midnight the source means, nobody
    says.
    """
    match form:
        case "iso":
            return iso_seconds(moment)
        case "date":
            return (moment.astimezone(UTC) - _LATEST_MIDNIGHT).date().isoformat()
        case "epoch":
            return str(int(moment.timestamp()))
        case "epoch_ms":
            return str(int(moment.timestamp()) * 1000)


def _path_segment(source_id: str) -> str:
    """The id, quoted.

    Raises:
        SourceError: No address can hold it.
    """
    with contextlib.suppress(UnicodeEncodeError):
        if source_id not in _NO_PATH_SEGMENTS:
            return quote(source_id, safe="")
    raise SourceError(f"id {source_id!r} cannot be asked for by address")
