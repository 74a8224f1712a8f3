"""docker-compose.yaml and the Dockerfiles as plain values, without Docker."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yaml"
ENVIRONMENTS = ("dev", "staging", "prod")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def settings(environment: str) -> dict[str, str]:
    """Variables of ``env/<environment>.env``."""
    lines = (ROOT / "env" / f"{environment}.env").read_text("utf-8").splitlines()
    return dict(_pair(line) for line in lines if line and line[0] != "#")


def compose(environment: str) -> dict[str, Any]:
    """The Compose file as ``--env-file env/<environment>.env`` makes it."""
    known = settings(environment)

    def value(found: re.Match[str]) -> str:
        name, kind, text = found.groups()
        if name not in known and kind != "-":
            raise LookupError(f"{name} is not in env/{environment}.env")
        return known.get(name, text)

    text = COMPOSE_FILE.read_text("utf-8")
    loaded: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, text))
    return loaded


@dataclass(frozen=True)
class Image:
    """What the last stage of a Dockerfile says.

    Attributes:
        base: Its FROM.
        copies: What is copied from the repository: (sources, target).
        environment: Its ENV.
        user: Its USER.
        entrypoint: Its ENTRYPOINT.
        command: Its CMD.
        steps: All instructions of all stages: (word, rest).
    """

    base: str
    copies: tuple[tuple[tuple[str, ...], str], ...]
    environment: dict[str, str]
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]


def image(path: Path) -> Image:
    """Read a Dockerfile."""
    text = re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [line.split(" ", 1) for line in joined.splitlines() if line]
    steps = tuple((word, rest.strip()) for word, rest in lines)
    begin = max(i for i, (word, _) in enumerate(steps) if word == "FROM")
    last = steps[begin:]
    one = dict(last)
    copies = [rest.split() for word, rest in last if word == "COPY"]
    pairs = [pair for word, rest in last if word == "ENV" for pair in rest.split()]
    return Image(
        base=one["FROM"],
        copies=tuple(
            (tuple(words[:-1]), words[-1])
            for words in copies
            if not words[0].startswith("--from")
        ),
        environment=dict(_pair(each) for each in pairs),
        user=one["USER"],
        entrypoint=tuple(json.loads(one["ENTRYPOINT"])),
        command=tuple(json.loads(one["CMD"])),
        steps=steps,
    )


def image_of(service: dict[str, Any]) -> Image | None:
    """The image that a service builds, or None for somebody else's."""
    build = service.get("build")
    return image(ROOT / build["dockerfile"]) if build else None


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Variables that a container of the service begins with, secrets apart."""
    built = image_of(service)
    found = dict(built.environment) if built else {}
    for file in service.get("env_file", []):
        found.update(settings(Path(file).stem))
    return {**found, **service.get("environment", {})}


def argv_of(service: dict[str, Any]) -> list[str]:
    """Entry point and command of a container of the service."""
    built = image_of(service)
    entrypoint = service.get("entrypoint", built.entrypoint if built else ())
    command = service.get("command", built.command if built else ())
    return [*entrypoint, *command]


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value
