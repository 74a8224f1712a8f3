"""How one sandbox process is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

#: Tokens of a sandbox that was given none: invented, and worth nothing elsewhere.
DEFAULT_TOKENS: dict[str, str] = {
    name: f"sandbox-{name}-token"
    for name in ("genius", "hubspot", "marketsharp", "activeprospect")
}
#: System -> what part of the number of Genius prospects its main entity has.
_PARTS: dict[str, Fraction] = {
    "genius": Fraction(1),
    "hubspot": Fraction(1),
    "marketsharp": Fraction(2, 3),
    "activeprospect": Fraction(1, 2),
}


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
        prospects: Genius prospects; other entities and systems scale with it.
        sizes: System -> records of its main entity, where they are to be others.
        dirty: Share (0..1) of records that carry a defect.
        quota: Whether quotas are enforced from the start.
        tokens: System -> accepted token or key; never shown.
    """

    seed: int = 7
    prospects: int = 3_000
    sizes: Mapping[str, int] = field(default_factory=dict)
    dirty: float = 0.0
    quota: bool = True
    tokens: dict[str, str] = field(
        default_factory=lambda: dict(DEFAULT_TOKENS), repr=False
    )

    def size(self, system: str) -> int:
        """Records of the system's main entity: prospects, contacts, leads."""
        return self.sizes.get(system, int(self.prospects * _PARTS[system]))
