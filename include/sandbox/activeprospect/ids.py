"""Ids of ActiveProspect: 24 hexadecimal digits that grow with the record's number."""

#: Seconds at the beginning of an id: of the time when the first record was made.
_FIRST_SECOND = 0x66000000
_MACHINE = "a5b0c7d219"
_COUNTER = 0xFFFFFF


def object_id(key: int) -> str:
    """The id of the record with this number."""
    return f"{_FIRST_SECOND + key:08x}{_MACHINE}{key & _COUNTER:06x}"


def key_of(text: str) -> int:
    """Number of the record with this id.

    Raises:
        ValueError: It does not begin like an id.
    """
    return int(text[:8], 16) - _FIRST_SECOND
