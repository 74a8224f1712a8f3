"""The files of the repository, as the tests of the repository read them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: Made by tools and stacks, not part of the repository; .ci is.
_MADE = {"__pycache__", "htmlcov", "logs"}
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def files() -> list[Path]:
    """Every text file a person wrote or a tool locked, the checkout's own only."""
    return sorted(path for path in _walk(ROOT) if path.suffix != ".png")


def guides() -> list[Path]:
    """Every Markdown file."""
    return [path for path in files() if path.suffix == ".md"]


def guide_text() -> str:
    """All Markdown files as one text."""
    return "\n".join(path.read_text("utf-8") for path in guides())


def fences(path: Path, language: str) -> list[str]:
    """Code blocks of one language, without the indentation of a list."""
    blocks = _FENCE.findall(path.read_text("utf-8"))
    return [
        re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        for indent, word, body in blocks
        if word == language
    ]


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _MADE and (path.name[0] != "." or path.name == ".ci"):
                yield from _walk(path)
        elif path.name[0] != "." or path.name in (".airflowignore", ".gitignore"):
            yield path
