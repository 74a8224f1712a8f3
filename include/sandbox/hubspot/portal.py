"""What an administrator does to a portal: properties come, go and change; edits.

See https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
"""

from collections.abc import Mapping
from typing import Any

from include.sandbox.clock import Clock
from include.sandbox.errors import BadRequestError
from include.sandbox.hubspot.problems import HubSpotError, refused
from include.sandbox.hubspot.properties import SINGULAR, Property
from include.sandbox.hubspot.table import HubSpotTable

SENSITIVITIES = ("non_sensitive", "sensitive", "highly_sensitive")


def definitions(table: HubSpotTable, query: Mapping[str, str]) -> dict[str, Any]:
    """Answer to ``GET /crm/v3/properties/<type>``: those of one sensitivity.

    Raises:
        HubSpotError: The token may not read these, or there is no such sensitivity.
    """
    asked = query.get("dataSensitivity", "non_sensitive")
    if asked not in SENSITIVITIES:
        raise refused("dataSensitivity must be one of " + ", ".join(SENSITIVITIES))
    if asked != "non_sensitive" and not table.shows_sensitive:
        raise HubSpotError(
            403, "This app hasn't been granted all required scopes", "MISSING_SCOPES"
        )
    found = [each for each in table.properties.values() if each.sensitivity == asked]
    if query.get("archived") == "true":
        found = []
    group = f"{SINGULAR[table.blueprint.name]}information"
    return {"results": [each.described(group) for each in found]}


def change_properties(table: HubSpotTable, call: dict[str, Any]) -> dict[str, Any]:
    """Add, remove, retype or relabel properties.

    Args:
        table: Of the object type.
        call: ``add``: definitions with name and perhaps label, kind, sensitivity;
            ``remove``: names; ``retype`` and ``relabel``: name -> the new one.

    Raises:
        BadRequestError: The call is something else, or there is no such property.
    """
    if set(call) - {"add", "remove", "retype", "relabel"}:
        raise BadRequestError("takes add, remove, retype, relabel")
    known = table.properties
    try:
        for given in call.get("add", ()):
            added = Property(**{"label": given["name"], **given})
            known[added.name] = added
        for name in call.get("remove", ()):
            del known[name]
        for name, kind in call.get("retype", {}).items():
            known[name] = known[name]._replace(kind=kind)
        for name, label in call.get("relabel", {}).items():
            known[name] = known[name]._replace(label=label)
    except KeyError as error:
        raise BadRequestError(f"there is no property {error}") from None
    return {"properties": sorted(known)}


def write(table: HubSpotTable, clock: Clock, call: dict[str, Any]) -> dict[str, Any]:
    """Give the record ``id`` the values of ``properties``, as an edit does.

    Raises:
        BadRequestError: There is no such record.
    """
    record = table.find(str(call.get("id")))
    if record is None:
        raise BadRequestError(f"there is no live record {call.get('id')!r}")
    table.write(record, call.get("properties", {}), clock.now())
    return {"ids": [str(record.key)]}
