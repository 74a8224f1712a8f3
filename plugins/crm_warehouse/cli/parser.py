"""Commands and options.

``docs/command-line.md`` and ``docs/webhook-commands.md`` describe every one of them.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from crm_warehouse.cli import arguments, webhook_options
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.words import hint
from crm_warehouse.spec import EXTENTS, GUARDS, MODES, ON_ERRORS, REPAIR_GUARDS, VIAS

PROGRAM = "python -m crm_warehouse"
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
_SEVERITIES = ("error", "warning")
_HELP = ("-h", "--help")

if TYPE_CHECKING:
    from argparse import Action

    _Commands = _SubParsersAction["Parser"]


class Parser(ArgumentParser):
    """Says in one line what is wrong, and in a second where to read on."""

    #: Commands that the next word must be one of, or None when none follows.
    commands: "_Commands | None" = None

    def add_commands(self) -> "_Commands":
        """Let commands follow."""
        self.commands = self.add_subparsers(metavar="COMMAND", required=True)
        return self.commands

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Namespace, list[str]]:
        """Read the words, of which a command must be the first."""
        words = sys.argv[1:] if args is None else list(args)
        option = words[0] if words and words[0].startswith("-") else ""
        if self.commands and (option or not words) and option not in _HELP:
            # argparse would take the option's value for the command.
            before = f" before {option.partition('=')[0]}" if option else ""
            known = ", ".join(self.commands.choices)
            self.error(f"a COMMAND is missing{before}; known: {known}")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        print(f"error: {message}\nsee: {self.prog} --help", file=sys.stderr)
        sys.exit(Exit.USAGE)

    def _check_value(self, action: "Action", value: Any) -> None:
        # argparse lists the commands, but does not name the nearest.
        known = list(action.choices or [value])
        if value not in known:
            listed = f"{', '.join(known)}{hint(value, known)}"
            raise ArgumentError(action, f"{value!r} is not one of {listed}")

    def refuse_unknown(self, rest: Sequence[str]) -> None:
        """End when words are left over."""
        if rest:
            near = hint(rest[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(rest)}{near}")


def parse(argv: Sequence[str] | None = None) -> Namespace:
    """Read the command line.

    Returns:
        ``command`` names the command, the other attributes are its options.

    Raises:
        SystemExit: Status 2 after an error, 0 after ``--help``.
    """
    parser = build()
    words, rest = parser.parse_known_args(argv)
    words.parser.refuse_unknown(rest)
    return words


def build() -> Parser:
    """The whole parser."""
    parser = Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Loads CRM systems into the warehouse.",
        epilog="Exit status: 0 success, 1 failed, 2 usage or configuration, 3 done, "
        "but somebody should look (new rejects; reconcile: a difference is left; "
        "forecast: it does not fit today's quota), 4 waiting for quota or source.",
    )
    commands = parser.add_commands()
    _sync(_command(commands, "sync", "load one entity of one source"))
    _reconcile(_command(commands, "reconcile", "compare a source with the warehouse"))
    _forecast(_command(commands, "forecast", "say what a full load will cost"))
    _preview(_command(commands, "preview", "show how records map, write nothing"))
    _validate(_command(commands, "validate", "check source files and tables"))
    _command(commands, "migrate", "bring the tables of the warehouse up to date")
    _new_source(_command(commands, "new-source", "draft a source that needs no code"))
    _maintain(_command(commands, "maintain", "heal what is stuck, delete what is old"))
    _webhooks(commands)
    _erase(_command(commands, "erase", "erase a person's record for good"))
    _quarantine(commands)
    _rules(commands)
    _connections(commands)
    return parser


def _command(commands: "_Commands", name: str, text: str, command: str = "") -> Parser:
    made = commands.add_parser(
        name, help=text, description=_sentence(text), allow_abbrev=False
    )
    made.set_defaults(command=command or name, parser=made)
    group = made.add_argument_group("messages, on standard error")
    level = arguments.one_of(LEVELS)
    shape = arguments.one_of(FORMATS)
    group.add_argument(
        "--log-level", type=level, metavar=_choice(LEVELS), default="info"
    )
    group.add_argument(
        "--log-format", type=shape, metavar=_choice(FORMATS), default="text"
    )
    group.add_argument(
        "--debug", action="store_true", help="with the traceback of a failure"
    )
    return made


def _what(parser: Parser) -> None:
    _source(parser)
    parser.add_argument(
        "--entity", required=True, metavar="NAME", help="entity or one of its aliases"
    )


def _source(parser: Parser) -> None:
    parser.add_argument(
        "--source", required=True, metavar="NAME", help="source, e.g. genius"
    )


def _sync(parser: Parser) -> None:
    _what(parser)
    add = parser.add_argument
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--mode",
        type=arguments.one_of(MODES),
        metavar=_choice(MODES),
        default="incremental",
        help="what changed (default); everything, with deletions; or the stored "
        "payloads mapped again, without the source",
    )
    mode.add_argument(
        "--incremental",
        action="store_const",
        dest="mode",
        const="incremental",
        help="the same as --mode incremental",
    )
    via = arguments.one_of(VIAS)
    add("--via", type=via, metavar=_choice(VIAS), default="api", help="way in")
    add("--since", type=arguments.moment, metavar="TIME", help=_SINCE)
    add("--batch-size", type=arguments.positive, metavar="N", help=_BATCH_SIZE)
    add("--file", type=Path, metavar="PATH", help="file to load, with --via csv")
    add("--snapshot", action="store_true", help=_SNAPSHOT)
    add("--restart", action="store_true", help=_RESTART)
    _override(parser)
    _max_wait(parser)


def _override(
    parser: Parser, guards: Sequence[str] = GUARDS, condition: str = ""
) -> None:
    parser.add_argument(
        "--override",
        type=arguments.guards,
        default=frozenset(),
        metavar="GUARD[,GUARD]",
        help=f"guards to ignore, after you have looked: {', '.join(guards)}{condition}",
    )


def _max_wait(parser: Parser) -> None:
    parser.add_argument(
        "--max-wait",
        type=arguments.seconds,
        default=0.0,
        metavar="SECONDS",
        help="longest single wait (default: a few seconds for quota, 60 for pauses "
        "that the source or the retry policy asks for)",
    )


_SINCE = "load changes from this ISO 8601 time on; without an offset it is UTC"
_BATCH_SIZE = "records asked for per request, 1 to 1000, at most what the API allows"
_RESTART = (
    "begin anew instead of resuming a job that died; import a file again that was "
    "imported before"
)
_SNAPSHOT = "the file is the whole truth: delete what two such files lack"


def _reconcile(parser: Parser) -> None:
    _source(parser)
    add = parser.add_argument
    add("--entity", metavar="NAME", help="entity or an alias; without it, all of them")
    add("--repair", action="store_true", help="merge what differs, mark what is gone")
    only = arguments.one_of(EXTENTS)
    help_ = "what is compared (default: records, with all they have)"
    add("--only", type=only, metavar=_choice(EXTENTS), default="records", help=help_)
    add("--restart", action="store_true", help=_RESTART)
    _override(parser, REPAIR_GUARDS, "; with --repair only")
    _max_wait(parser)


def _forecast(parser: Parser) -> None:
    _source(parser)
    add = parser.add_argument
    add("--entity", metavar="NAME", help="entity or an alias; without it, all of them")
    add("--batch-size", type=arguments.positive, metavar="N", help=_BATCH_SIZE)
    help_ = "longest wait for quota that is all right (default: none)"
    add(
        "--max-wait", type=arguments.seconds, default=0.0, metavar="SECONDS", help=help_
    )
    add("--json", action="store_true", help="one JSON object instead of text")


def _preview(parser: Parser) -> None:
    _what(parser)
    add = parser.add_argument
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--file", type=Path, metavar="PATH", help="CSV file whose records are shown"
    )
    given.add_argument(
        "--sample",
        type=arguments.existing_file,
        metavar="FILE",
        help="file with an answer of the API, a page or one record, in its format; "
        "a bare JSON list will do; without it, the source is asked",
    )
    add(
        "--limit",
        type=arguments.positive,
        default=5,
        metavar="N",
        help="records shown (default: 5)",
    )
    add("--json", action="store_true", help="one JSON object instead of text")


def _validate(parser: Parser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="these only"
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of the files, for editors, and check nothing",
    )


def _new_source(parser: Parser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="source, e.g. acme")
    add(
        "--entity",
        action="append",
        default=[],
        metavar="NAME",
        help="kind of record, e.g. contacts; may be given again",
    )
    add(
        "--from",
        action="append",
        default=[],
        type=arguments.existing_file,
        dest="samples",
        metavar="SAMPLE.json",
        help="saved answer of the API, to guess from; the second is of the second "
        "--entity, and so on",
    )
    add(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="folder of your own for all files, instead of the repository's places",
    )


def _maintain(parser: Parser) -> None:
    parser.add_argument("--source", metavar="NAME", help="this source only")


def _erase(parser: Parser) -> None:
    _what(parser)
    add = parser.add_argument
    add("--id", required=True, metavar="ID", help="the record's id in the source")
    add("--yes", action="store_true", help="do it; without, only show what would go")


_INBOX = {
    "list": ("show what is in the inbox", webhook_options.add_list),
    "show": ("show one delivery or event whole", webhook_options.add_show),
    "replay": (
        "let the next merge take up what was settled",
        webhook_options.add_replay,
    ),
    "discard": (
        "settle what waits or failed, without merging it",
        webhook_options.add_discard,
    ),
}


def _webhooks(commands: "_Commands") -> None:
    inner = _group(commands, "webhooks", "what sources announce by webhook")
    merge = _command(
        inner, "merge", "merge all webhooks that wait, once", "webhooks merge"
    )
    _source(merge)
    _override(merge)
    _max_wait(merge)
    for word, (text, add_options) in _INBOX.items():
        add_options(_command(inner, word, text, f"webhooks {word}"))


def _quarantine(commands: "_Commands") -> None:
    inner = _group(commands, "quarantine", "rejects and warnings that are open")
    listed = _command(
        inner, "list", "show what is set aside, and why", "quarantine list"
    )
    _filters(listed)
    add = listed.add_argument
    severity = arguments.one_of(_SEVERITIES)
    add("--severity", type=severity, metavar=_choice(_SEVERITIES), help="only these")
    _reasons(listed)
    add("--all", action="store_true", help="with what is resolved")
    add("--data", action="store_true", help="with the records: people's data")
    add("--json", action="store_true", help="one JSON object instead of text")
    add(
        "--limit",
        type=arguments.positive,
        default=50,
        metavar="N",
        help="entries shown (default: 50)",
    )
    retry = _command(
        inner, "retry", "map again what is set aside, now", "quarantine retry"
    )
    _filters(retry)
    _reasons(retry)


def _reasons(parser: Parser) -> None:
    add = parser.add_argument
    add("--type", metavar="WORD", help="only this error_type, e.g. missing_id")
    add("--field", metavar="COLUMN", help="only this unified column")
    add("--rule", metavar="NAME", help="only what this rule says")
    add("--id", type=arguments.positive, metavar="N", help="only this entry")


def _rules(commands: "_Commands") -> None:
    inner = _group(commands, "rules", "validation rules of the warehouse")
    listed = _command(
        inner, "list", "show the rules, and mistakes in them", "rules list"
    )
    _filters(listed)
    as_json = "one JSON object instead of text"
    listed.add_argument("--json", action="store_true", help=as_json)
    check = _command(
        inner, "check", "show what a rule would do, write nothing", "rules check"
    )
    _what(check)
    add = check.add_argument
    add("--rule", metavar="NAME", help="a stored rule, active or not")
    add("--field", metavar="COLUMN", help="of a rule to be: unified column")
    add("--type", metavar="WORD", help="of a rule to be: its type, e.g. max_length")
    add("--config", metavar="JSON", help="of a rule to be: e.g. '{\"length\": 50}'")
    on_error = arguments.one_of(ON_ERRORS)
    help_ = "default: the stored rule's own, else reject"
    add("--on-error", type=on_error, metavar=_choice(ON_ERRORS), help=help_)
    add("--json", action="store_true", help=as_json)


def _filters(parser: Parser) -> None:
    add = parser.add_argument
    add("--source", metavar="NAME", help="source, e.g. genius")
    add("--entity", metavar="NAME", help="its entity, or one of the aliases")


def _connections(commands: "_Commands") -> None:
    inner = _group(commands, "connections", "connections for programs outside Airflow")
    export = _command(
        inner,
        "export",
        "write Airflow's connections to an encrypted file",
        "connections export",
    )
    export.add_argument(
        "--to", type=Path, metavar="PATH", help="default: .var/connections.sealed"
    )


def _group(commands: "_Commands", name: str, text: str) -> "_Commands":
    """Commands of two words."""
    group = commands.add_parser(
        name, help=text, description=_sentence(text), allow_abbrev=False
    )
    return group.add_commands()


def _choice(known: Sequence[str]) -> str:
    return f"{{{','.join(known)}}}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
