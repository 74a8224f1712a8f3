"""How many requests a list takes, before it is walked."""

from math import ceil

from crm_warehouse.clients.overlap import window_behind


def pages_of(records: int, size: int) -> int:
    """Pages of a list; an empty one takes a request too."""
    return max(1, ceil(records / size))


def offset_pages_of(records: int, size: int) -> int:
    """Pages of a list by offset, each with the last record of the one before."""
    return pages_of(records - 1, max(size, 2) - 1)


def overlapping_pages_of(records: int, size: int) -> int:
    """Pages of a list that tells no count, where each holds the end of the one before.

    As :mod:`crm_warehouse.clients.overlap` reads them, the last one that confirms the
    end included.
    """
    size = max(size, 2)  # pages of one record cannot overlap
    end, pages = min(size, records), 1
    full = end == size
    while full:
        window = window_behind(end, size)
        pages += 1
        full = records >= window.reached
        end = min(records, window.reached)
    return pages + 1 if records else pages
