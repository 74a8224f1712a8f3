"""How one sandbox process is set up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path


def _invented(system: str) -> str:
    return f"sandbox-{system}-token"


#: Tokens of a sandbox that was given none: invented, and worth nothing elsewhere.
DEFAULT_TOKENS: dict[str, str] = {
    name: _invented(name)
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


def tokens_from(
    environment: Mapping[str, str], more: Iterable[str] = ()
) -> dict[str, str]:
    """Token of every system: from the environment, or the invented one.

    Args:
        environment: Variables of the process.
        more: Systems besides those that there always are.
    """
    invented = {**{name: _invented(name) for name in more}, **DEFAULT_TOKENS}
    return {
        system: environment.get(token_variable(system)) or default
        for system, default in invented.items()
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
        described: Files that describe further systems.
    """

    seed: int = 7
    prospects: int = 3_000
    sizes: Mapping[str, int] = field(default_factory=dict)
    dirty: float = 0.0
    quota: bool = True
    tokens: dict[str, str] = field(
        default_factory=lambda: dict(DEFAULT_TOKENS), repr=False
    )

    described: tuple[Path, ...] = ()

    def size(self, system: str) -> int:
        """Records of the system's main entity: prospects, contacts, leads."""
        part = _PARTS.get(system, Fraction(1))
        return self.sizes.get(system, int(self.prospects * part))

    def token(self, system: str) -> str:
        """The accepted token or key of a system."""
        return self.tokens.get(system, _invented(system))
