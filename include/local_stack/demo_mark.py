"""The mark that tells the demonstration's warehouse from one of real records."""

from pathlib import Path

from include.local_stack.errors import StackError
from include.local_stack.settings import StackSettings

_TEXT = "The warehouse of this stack holds the invented records of `make demo`.\n"


def is_demo(settings: StackSettings) -> bool:
    """Whether this stack's warehouse is the demonstration's own."""
    return _path(settings).exists()


def make(settings: StackSettings) -> None:
    """Say that it is from now on."""
    _path(settings).write_text(_TEXT, "utf-8")


def refuse_demo(settings: StackSettings) -> None:
    """Keep a stack for real records away from the demonstration's warehouse.

    Raises:
        StackError: It is the demonstration's.
    """
    if is_demo(settings):
        raise StackError(
            f"{settings.var} holds the invented records of `make demo`, and real ones "
            "would mix with them. `make clean` removes them; "
            "`CRM_STACK_VAR=/some/folder make up` starts another stack; "
            "`make demo KEEP=1` goes on with this one."
        )


def _path(settings: StackSettings) -> Path:
    return settings.var / "demo"
