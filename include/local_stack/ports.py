"""TCP ports on the loopback interface."""

import socket

from include.local_stack.errors import StackError

HOST = "127.0.0.1"
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an ended server do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(
    what: str,
    preferred: int,
    *,
    fixed: bool = False,
    taken: frozenset[int] = frozenset(),
) -> int:
    """A free port: the preferred one, or the next above it.

    Args:
        what: Who needs it, for the message.
        preferred: Where to begin.
        fixed: Whether only ``preferred`` will do.
        taken: Ports already promised to others.

    Raises:
        StackError: The port is fixed and taken, or no port is free.
    """
    last = preferred if fixed else min(preferred + _TRIES, 65535)
    for port in range(preferred, last + 1):
        if port not in taken and is_free(port):
            return port
    if fixed:
        raise StackError(
            f"Port {preferred} of {what} is taken by another program. "
            "End that program, or choose another port, or leave the choice to us."
        )
    raise StackError(f"No free port for {what} from {preferred} to {last}.")
