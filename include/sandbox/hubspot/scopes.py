"""What a token may read: HubSpot's scopes, and how it refuses for want of one."""

from collections.abc import Collection

from include.sandbox.hubspot.problems import problem
from include.sandbox.messages import Answer

#: Kinds of objects that have scopes of their own.
_OBJECTS = ("contacts", "deals", "companies")


def scope_of(steps: list[str]) -> str | None:
    """Scope that a path below the root needs, or None.

    https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
    """
    match steps:
        case ["crm", "v3", "objects", entity, *_] if entity in _OBJECTS:
            return f"crm.objects.{entity}.read"
        case ["crm", "v3", "properties", entity, *_] if entity in _OBJECTS:
            return f"crm.schemas.{entity}.read"
        case ["crm", "v4", "associations", origin, *_] if origin in _OBJECTS:
            return f"crm.objects.{origin}.read"
        case ["crm", "v3", "pipelines", entity, *_] if entity in _OBJECTS:
            return f"crm.schemas.{entity}.read"
        case ["crm", "v3", "owners", *_]:
            return "crm.objects.owners.read"
    return None


def refuse_scope(steps: list[str], withheld: Collection[str]) -> Answer | None:
    """403 in HubSpot's words when a path needs a scope that is withheld."""
    scope = scope_of(steps)
    if scope not in withheld:
        return None
    message = "One or more of the following scopes are required."
    return problem(
        403,
        "This app hasn't been granted all required scopes to make this call.",
        category="MISSING_SCOPES",
        errors=[{"message": message, "context": {"requiredGranularScopes": [scope]}}],
    )
