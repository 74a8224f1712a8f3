"""Which properties HubSpot's records may have.

See https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide: without
``dataSensitivity`` those with sensitive data are left out.
"""

import logging
from typing import Any

from crm_warehouse.clients.interface import Property
from crm_warehouse.clients.request_path import RequestPath
from crm_warehouse.errors import AuthenticationError, TransientSourceError

_SENSITIVITIES = ("sensitive", "highly_sensitive")
_FORBIDDEN = 403

_log = logging.getLogger(__name__)


def read_properties(
    request_path: RequestPath, path: str, *, sensitive: bool
) -> list[Property]:
    """All properties of an object type, by name.

    Args:
        request_path: Sends the requests: one, or one more for each sensitivity.
        path: Where the type's properties are listed.
        sensitive: Whether those with sensitive data are wanted, too. What the
            credentials have no scope for is left out.

    Raises:
        TransientSourceError: The answer names none.
    """
    query = {"archived": "false"}
    found = {each.name: each for each in request_path.get(path, query, _read).value}
    if not found:
        raise TransientSourceError("the answer names no properties")
    for word in _SENSITIVITIES if sensitive else ():
        asked = {**query, "dataSensitivity": word}
        try:
            more = request_path.get(path, asked, _read).value
        except AuthenticationError as error:
            if error.status != _FORBIDDEN:
                raise
            _log.info("%s: no scope for what is %s; the rest is loaded", path, word)
        else:
            found |= {each.name: each for each in more}
    return [found[name] for name in sorted(found)]


def _read(decoded: Any) -> list[Property]:
    try:
        return [_property(definition) for definition in decoded["results"]]
    except (AttributeError, KeyError, TypeError):
        raise TransientSourceError("the answer names no properties") from None


def _property(definition: dict[str, Any]) -> Property:
    name = definition["name"]
    if not isinstance(name, str):
        raise TypeError
    kind, label = definition.get("type"), definition.get("label")
    return Property(name, str(kind or ""), str(label or ""))
