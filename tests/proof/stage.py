"""Where loads are killed: a server, sandbox CRMs, and the loads there are.

A kind of load begins at a state: a database that is kept aside and copied for every
case, and a sandbox that no load changes.
"""

import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.conninfo import make_conninfo

from crm_warehouse.engine.migrations import migrate
from include.local_stack.errors import StackError
from include.local_stack.postgres import Postgres
from include.sandbox.crm import Crm
from include.sandbox.server import SandboxServer
from include.sandbox.settings import Settings
from tests.proof.command import CommandLine, Ended, generous_sources
from tests.proof.commit_proxy import CommitProxy
from tests.proof.house import SOURCES
from tests.proof.hubspot_sender import PATH, PUBLIC_URL, SECRET
from tests.proof.inbox_door import InboxDoor
from tests.proof.oracle import compare_all
from tests.proof.receiver_process import HUBSPOT, Receiver, started
from tests.proof.small_chunks import PAGE_RECORDS

ROLE = "crm_warehouse"
PROSPECTS = 430
CONTACTS = 200
_EMPTY = "proof_empty"
_DELIVERED_SECONDS = 60.0
#: Exit statuses of a load that came to its end.
DONE = (0, 3)


class Stage:
    """Databases, sandbox and command line of one proof.

    Args:
        server: PostgreSQL, running.
        sandbox: The CRMs, running.
        folder: Empty; for source files and logs.
        proxy: Stands before the server, running.
        module: What is run as the command line.
    """

    def __init__(
        self,
        server: Postgres,
        sandbox: SandboxServer,
        folder: Path,
        proxy: CommitProxy,
        module: str = "tests.proof.small_chunks",
    ) -> None:
        self.server = server
        self.sandbox = sandbox
        self.proxy = proxy
        self._folder = folder
        self.module = module
        self._copies: list[str] = []
        self._sources = folder / "sources"
        self._sources.mkdir()
        generous_sources(self._sources)
        if not server.has_database(_EMPTY):
            server.create_database(_EMPTY, ROLE)
            migrate(server.conninfo(_EMPTY, ROLE))

    def conninfo(self, database: str) -> str:
        """Straight to a database."""
        return self.server.conninfo(database, ROLE)

    def copy(self, state: str = _EMPTY) -> str:
        """Make a database from a state; returns its name."""
        # A new one each time: dropping one makes the server write all it has to disk.
        self._copies.append(name := f"proof_{secrets.token_hex(4)}")
        self.server.create_database(name, ROLE, template=state)
        return name

    def sweep(self) -> None:
        """Drop all copies."""
        while self._copies:
            self.server.drop_database(self._copies.pop())

    def line(self, conninfo: str, sources: Path | None = None) -> CommandLine:
        """The command line, through the proxy."""
        through = make_conninfo(conninfo, port=self.proxy.port)
        return CommandLine(through, self.sandbox, sources or self._sources, self.module)

    def load(
        self, conninfo: str, system: str, entity: str, sources: Path | None = None
    ) -> None:
        """A full load that nothing disturbs."""
        line = CommandLine(conninfo, self.sandbox, sources or self._sources)
        words = ("sync", "--source", system, "--entity", entity, "--mode", "full")
        ended = line.run(*words)
        assert ended.status in DONE, ended.errors

    def other_mapping(self) -> Path:
        """Source files that fill a column from another field than the real ones do."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        folder.chmod(0o755)
        generous_sources(folder)
        text = (folder / "genius.yaml").read_text()
        other = text.replace("lead_source: source\n", "lead_source: last_name\n")
        assert other != text
        (folder / "genius.yaml").write_text(other)
        return folder

    def receiver(self, conninfo: str) -> Receiver:
        """A receiver that HubSpot's sandbox posts its changes to from now on."""
        receiver = started(conninfo, HUBSPOT, self._folder / "receiver.log")
        where = f"http://127.0.0.1:{receiver.port}{PATH}"
        call = {"target": where, "secret": SECRET, "public_url": PUBLIC_URL + PATH}
        self.sandbox.crm("hubspot").admin("POST", "/webhooks", call)
        return receiver


def delivered(crm: Crm) -> None:
    """Until everything that a CRM announced has been taken."""
    deadline = time.monotonic() + _DELIVERED_SECONDS
    while crm.admin("GET", "/webhooks")["queued"]:
        assert time.monotonic() < deadline, "webhooks are not taken"
        time.sleep(0.02)


@dataclass(frozen=True)
class Kind:
    """A kind of load.

    Attributes:
        name: For people.
        system: The CRM.
        application: ``application_name`` of its job's session.
        words: Its command.
        entities: What it loads.
        prepare: Brings database and sandbox to where it begins.
        again: Requests beyond a chunk's that a retry may repeat: confirmations of
            deletions; those in flight, which are not fewer where chunks are small.
    """

    name: str
    system: str
    application: str
    words: tuple[str, ...]
    entities: tuple[str, ...]
    prepare: Callable[[Stage, str], None]
    again: int = 0

    def crm(self, stage: Stage) -> Crm:
        """Its CRM."""
        return stage.sandbox.crm(self.system)

    def run(self, stage: Stage, conninfo: str) -> Ended:
        """The load, from beginning to end."""
        return stage.line(conninfo).run(*self.words)

    def differences(self, stage: Stage, conninfo: str) -> list[str]:
        """Where warehouse and truth do not agree."""
        return [
            f"{entity} {table}: {len(found.missing)} missing, {len(found.extra)} extra,"
            f" {len(found.different)} different"
            for entity in self.entities
            for table, found in compare_all(conninfo, self.crm(stage), entity).items()
        ]


def _nothing(stage: Stage, conninfo: str) -> None:
    """A first load begins with an empty warehouse."""


def _changed(stage: Stage, conninfo: str) -> None:
    genius = stage.sandbox.crm("genius")
    stage.load(conninfo, "genius", "prospects")
    genius.move("prospects", "change", 150)
    genius.move("prospects", "create", 40)
    genius.move("prospects", "spoil", 5)


DELETED = 4


def _deleted(stage: Stage, conninfo: str) -> None:
    genius = stage.sandbox.crm("genius")
    stage.load(conninfo, "genius", "prospects")
    genius.move("prospects", "change", 60)
    genius.move("prospects", "create", 10)
    genius.move("prospects", "delete", DELETED)


def _mapped_otherwise(stage: Stage, conninfo: str) -> None:
    stage.load(conninfo, "genius", "prospects", stage.other_mapping())


def _announced(stage: Stage, conninfo: str) -> None:
    hubspot = stage.sandbox.crm("hubspot")
    for entity in ("companies", "contacts", "deals"):
        stage.load(conninfo, "hubspot", entity)
    with stage.receiver(conninfo):
        for entity, changed in (("contacts", 60), ("deals", 20)):
            hubspot.move(entity, "change", changed)
            hubspot.move(entity, "create", 8)
        # Not contacts: deals change with them, without an event of their own.
        hubspot.move("deals", "delete", DELETED)
        delivered(hubspot)
    hubspot.admin("DELETE", "/webhooks")


def _delivered(stage: Stage, conninfo: str) -> None:
    crm = stage.sandbox.crm("activeprospect")
    stage.load(conninfo, "activeprospect", "leads")
    with InboxDoor(conninfo) as door:
        call = {"target": door.url, "secret": SECRET, "duplicates": 0.2, "bad": 0.1}
        crm.admin("POST", "/webhooks", call)
        crm.move("leads", "change", 80)
        crm.move("leads", "create", 20)
        delivered(crm)
    crm.admin("DELETE", "/webhooks")


def _hubspot_changed(stage: Stage, conninfo: str) -> None:
    hubspot = stage.sandbox.crm("hubspot")
    stage.load(conninfo, "hubspot", "contacts")
    hubspot.move("contacts", "change", 120)
    hubspot.move("contacts", "create", 20)


def _sync(system: str, entity: str, mode: str) -> tuple[str, ...]:
    return (
        *("sync", "--source", system, "--entity", entity),
        *("--mode", mode, "--batch-size", str(PAGE_RECORDS)),
    )


def _genius(mode: str) -> tuple[str, ...]:
    return _sync("genius", "prospects", mode)


def _of(system: str, entity: str, mode: str) -> Kind:
    """A load of another system, whose lists are walked in another way."""
    prepare = _hubspot_changed if mode == "incremental" else _nothing
    in_flight = SOURCES[system].in_flight
    return Kind(
        f"{system} {mode}",
        system,
        f"crm_warehouse {system} {entity}",
        _sync(system, entity, mode),
        (entity,),
        prepare,
        again=in_flight if in_flight > 1 else 0,
    )


_PROSPECTS = ("genius", "crm_warehouse genius prospects")
FULL = Kind("full", *_PROSPECTS, _genius("full"), ("prospects",), _nothing)
KINDS = (
    FULL,
    Kind(
        *("incremental", *_PROSPECTS, _genius("incremental"), ("prospects",)),
        prepare=_changed,
    ),
    Kind(
        *("full with deletions", *_PROSPECTS, _genius("full"), ("prospects",)),
        prepare=_deleted,
        again=DELETED,
    ),
    Kind(
        *("replay", *_PROSPECTS, _genius("replay")[:-2], ("prospects",)),
        prepare=_mapped_otherwise,
    ),
    Kind(
        *("webhooks", "hubspot", "crm_warehouse hubspot webhooks"),
        ("webhooks", "merge", "--source", "hubspot"),
        ("contacts", "deals"),
        prepare=_announced,
    ),
    Kind(
        *("deliveries", "activeprospect", "crm_warehouse activeprospect webhooks"),
        ("webhooks", "merge", "--source", "activeprospect"),
        ("leads",),
        prepare=_delivered,
    ),
    _of("hubspot", "contacts", "incremental"),
    _of("marketsharp", "contacts", "full"),
    _of("activeprospect", "leads", "full"),
)


def small_settings(dirty: float = 0.03) -> Settings:
    """A sandbox of a few hundred records, some of them with a defect."""
    sizes = {"hubspot": CONTACTS, "marketsharp": 220, "activeprospect": 220}
    return replace(Settings(prospects=PROSPECTS, dirty=dirty, quota=False), sizes=sizes)


@contextmanager
def open_stage(settings: Settings | None = None) -> Iterator[Stage]:
    """A stage of its own, its PostgreSQL with fsync; SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as rest:
        folder = Path(tempfile.mkdtemp(prefix="crm-proof-"))
        rest.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        passwords = {name: secrets.token_hex(16) for name in ("postgres", ROLE)}
        server = Postgres(
            folder / "postgres",
            passwords,
            preferred_port=25733,
            # As durable, without opening each file of each copy after each crash.
            settings={"recovery_init_sync_method": "syncfs"},
        )
        rest.callback(server.stop)
        server.start()
        server.create_role(ROLE, passwords[ROLE])
        sandbox = rest.enter_context(SandboxServer(settings or small_settings()))
        proxy = rest.enter_context(CommitProxy(lambda: _port(server)))
        yield Stage(server, sandbox, folder, proxy)


def _port(server: Postgres) -> int:
    """Where the server is; one that is down refuses, as its port would."""
    try:
        return server.port
    except StackError:
        raise ConnectionRefusedError from None
