"""Lines that renew themselves on a terminal, and one line an event elsewhere."""

import shutil
import sys


class Screen:
    """Shows the state of several things.

    Args:
        live: Whether lines may be overwritten.
    """

    def __init__(self, live: bool) -> None:
        self._live = live
        self._height = 0
        self._told: dict[str, str] = {}

    def show(self, states: dict[str, str], details: dict[str, str]) -> None:
        """Show all things.

        Args:
            states: Thing -> state; a change is an event.
            details: Thing -> what else there is to say.
        """
        if self._live:
            self._renew(states, details)
        else:
            self._report(states, details)

    def _renew(self, states: dict[str, str], details: dict[str, str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        if self._height:
            sys.stdout.write(f"\x1b[{self._height}A")
        for name, state in states.items():
            line = f"  {name:<32} {state:<9} {details.get(name, '')}"
            sys.stdout.write(f"\x1b[2K{line[:width]}\n")
        sys.stdout.flush()
        self._height = len(states)

    def _report(self, states: dict[str, str], details: dict[str, str]) -> None:
        for name, state in states.items():
            if self._told.get(name) != state:
                print(f"  {name}: {state} {details.get(name, '')}".rstrip(), flush=True)
        self._told = dict(states)
