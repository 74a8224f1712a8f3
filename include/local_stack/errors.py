"""What the stack says when it cannot go on."""


class StackError(Exception):
    """The stack cannot do what was asked; the message says what to do about it."""


class PassingError(StackError):
    """Airflow does not answer, or not well; a moment later it may."""
