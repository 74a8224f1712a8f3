"""Exit statuses of the command line; a contract with scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script learns without reading anything."""

    SUCCESS = 0
    FAILED = 1
    #: Bad usage or configuration: the same command fails again.
    USAGE = 2
    #: Done, and somebody should look: new rejects, a difference that `reconcile` found,
    #: or a full load that by `forecast` does not fit today's quota.
    PARTIAL = 3
    #: Waiting for quota or for the source, longer than allowed.
    WAITING = 4
    INTERRUPTED = 130
    TERMINATED = 143
