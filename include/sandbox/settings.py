"""How one sandbox process is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Tokens of a sandbox that was given none: invented, and worth nothing elsewhere.
DEFAULT_TOKENS: dict[str, str] = {"genius": "sandbox-genius-token"}


def token_variable(system: str) -> str:
    """Environment variable that sets the token of ``system``."""
    return f"SANDBOX_{system.upper()}_TOKEN"


def tokens_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Token of every system: from the environment, or the invented one."""
    return {
        system: environment.get(token_variable(system)) or default
        for system, default in DEFAULT_TOKENS.items()
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of one sandbox process.

    Attributes:
        seed: Same seed, same people and records.
        prospects: Genius prospects; other entities scale with it or are fixed.
        dirty: Share (0..1) of records that carry a defect.
        quota: Whether quotas are enforced from the start.
        tokens: System -> accepted bearer token; never shown.
    """

    seed: int = 7
    prospects: int = 3_000
    dirty: float = 0.0
    quota: bool = True
    tokens: dict[str, str] = field(
        default_factory=lambda: dict(DEFAULT_TOKENS), repr=False
    )
