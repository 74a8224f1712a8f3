"""Numbers that the processes of a machine share."""

from mmap import mmap

_BYTES = 8


def shared_numbers(count: int) -> "memoryview[float]":
    """Numbers, all 0.0, that a process shares with those it forks from now on.

    They lie in memory that belongs to no file: they are gone with the last process,
    killed or not, and no full disk is in their way. A number is written and read at
    once, but nothing hinders two who change the same one.
    """
    return memoryview(mmap(-1, count * _BYTES)).cast("d")
