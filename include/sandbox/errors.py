"""What goes wrong because of the one who asks."""


class BadRequestError(ValueError):
    """An admin call asks for something impossible; the message says what to do."""


class UnknownPathError(LookupError):
    """There is no such admin path."""
