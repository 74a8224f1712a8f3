"""Every error of this package, sorted by what to do next.

CrmWarehouseError
├── ConfigurationError       stop: a person must correct a file, option or connection
├── SourceError              the source system answered badly, or not at all
│   ├── AuthenticationError  stop: the credentials are refused
│   │   └── MissingScopeError  skip: they do not reach this entity
│   ├── RequestRefusedError  stop: the source refuses what we ask (400, 404, 410 …)
│   ├── TransientSourceError retry: timeouts, resets, 5xx, truncated bodies
│   └── IncompleteReadError  retry: pages ended before every record was seen
├── WaitError                wait: nothing is asked of the source until `resume_at`
│   └── QuotaWaitError       wait: the quota is used up
├── SyncConflictError        retry: another run of this entity holds the lock
├── FencedError              stop: a successor has taken this job over
├── SyncDisabledError        skip: its configuration is switched off
├── GuardError               stop before harm: a person must look and decide
└── WebhooksRestError        stop: an entity is refused again and again; others go on

Messages carry counts, ids, paths without query and what to do; never credentials,
headers, bodies or personal data.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import ClassVar

from crm_warehouse.moments import utc_text


class Action(Enum):
    """What follows an error. Airflow, the command line and the docs go by it."""

    STOP = "stop"  # a person must act, or a successor already does
    WAIT = "wait"  # the job rests without a worker slot and goes on by itself
    RETRY = "retry"  # the same again, later, from the checkpoint
    REJECT = "reject"  # what is wrong is set aside, the others go on
    SKIP = "skip"  # nothing is to be done


class CrmWarehouseError(Exception):
    """Base of all errors that this package raises on purpose."""

    #: One word that is stored in ``ops.sync_errors.error_type``.
    category: ClassVar[str] = "internal"
    #: What to do next; inherited.
    action: ClassVar[Action] = Action.RETRY


class ConfigurationError(CrmWarehouseError):
    """A YAML file, option, connection or setting is wrong.

    Args:
        problems: One line each, naming what is wrong, where, and what to do.
    """

    category = "configuration"
    action = Action.STOP

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(CrmWarehouseError):
    """The source system answered badly, or not at all."""

    category = "source"


class AuthenticationError(SourceError):
    """The source refuses our credentials (401, 403).

    Args:
        message: What was refused, and what to do.
        status: HTTP status code; None: another sign says so.
    """

    category = "authentication"
    action = Action.STOP

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class MissingScopeError(AuthenticationError):
    """The credentials are good, but were never allowed to read this entity."""

    category = "missing_scope"
    action = Action.SKIP


class RequestRefusedError(SourceError):
    """The source refuses the request itself; asking again would not help.

    Args:
        message: What was asked and what the answer said.
        status: HTTP status code.
    """

    category = "request_refused"
    action = Action.STOP

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TransientSourceError(SourceError):
    """A fault that may pass: timeout, reset, 5xx, truncated or foreign body.

    Args:
        message: What happened.
        is_up: The source works all the same, as a refusal for being too fast shows.
        least_seconds: Shortest pause before a repetition.
    """

    category = "transient"

    def __init__(
        self, message: str, *, is_up: bool = False, least_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.is_up = is_up
        self.least_seconds = least_seconds


class IncompleteReadError(SourceError):
    """The pages ended, yet fewer records came than the source says it has."""

    category = "incomplete_read"


class WaitError(CrmWarehouseError):
    """The source may not be asked for longer than a task may hold its slot.

    Args:
        resume_at: Aware UTC instant from which requests are allowed again.
        reason: What has to pass first, for people.
    """

    category = "wait"
    action = Action.WAIT

    def __init__(self, resume_at: datetime, reason: str) -> None:
        again = utc_text(resume_at)
        super().__init__(f"{reason}; requests are allowed again at {again}")
        self.resume_at = resume_at
        self.reason = reason


class QuotaWaitError(WaitError):
    """The quota is used up for longer than a task may hold its slot."""

    category = "quota"


class SyncConflictError(CrmWarehouseError):
    """Another run holds the lock of this (source, entity)."""

    category = "conflict"


class FencedError(CrmWarehouseError):
    """This process was replaced by a successor and must not write any more."""

    category = "fenced"
    action = Action.STOP


class GuardError(CrmWarehouseError):
    """Going on could do harm that a run cannot undo.

    Args:
        finding: What was found, with its figures, and what to look at.
        guard: Name of the guard, which an override names to let it pass.
        mode: Mode of the job that was stopped.
        source_ids: Records that it objects to; empty: to all of them.

    Attributes:
        remedy: What to do when all is right.
    """

    category = "guard"
    action = Action.STOP

    def __init__(
        self, finding: str, guard: str, mode: str, source_ids: Sequence[str] = ()
    ) -> None:
        commands = {
            "webhook": "webhooks merge with",
            "reconcile": "reconcile --repair with",
        }
        how = commands.get(mode, f"again with mode {mode} and")
        self.finding, self.guard, self.source_ids = finding, guard, source_ids
        self.remedy = f"If this is right, run {how} override {guard}"
        super().__init__(f"{finding}. {self.remedy}")


class SyncDisabledError(CrmWarehouseError):
    """The configuration of this (source, entity) is switched off."""

    category = "disabled"
    action = Action.SKIP


class WebhooksRestError(CrmWarehouseError):
    """Webhooks of one entity are refused again and again; all others go on."""

    category = "webhooks_rest"
    action = Action.STOP
