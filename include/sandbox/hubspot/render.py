"""HubSpot objects as bytes."""

from typing import Any

import orjson

from include.sandbox.records import Fields, render_json


def render(value: Any) -> bytes:
    """JSON text: fast, or with ASCII escapes where UTF-8 cannot carry it."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate
        return render_json(value)


def show(
    fields: Fields, names: tuple[str, ...], archived_at: str | None = None
) -> bytes:
    """The object as an answer has it: with these properties, null where it has none."""
    properties = fields["properties"]
    shown = {**fields, "properties": {name: properties.get(name) for name in names}}
    if archived_at is None:
        return render({**shown, "archived": False})
    return render({**shown, "archived": True, "archivedAt": archived_at})


def with_associations(body: bytes, associations: Fields) -> bytes:
    """The shown object with its associations, when it has any."""
    if not associations:
        return body
    return b'%b,"associations":%b}' % (body[:-1], render(associations))


def listing(bodies: list[bytes], after: str | None, total: int | None = None) -> bytes:
    """A page: its records, how many there are, and where it goes on."""
    head = b"" if total is None else b'"total":%d,' % total
    tail = b"" if after is None else b',"paging":%b' % render(next_page(after))
    return b'{%b"results":[%b]%b}' % (head, b",".join(bodies), tail)


def next_page(after: str) -> Fields:
    """Where a list goes on."""
    return {"next": {"after": after, "link": f"?after={after}"}}
