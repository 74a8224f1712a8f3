"""``rules check``: what a validation rule would do to the records that are here."""

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reading import reading
from crm_warehouse.cli.sources import find_entity
from crm_warehouse.cli.words import hint
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Source

if TYPE_CHECKING:
    from crm_warehouse.engine.jobs import Connection
    from crm_warehouse.engine.rule_check import Finding
    from crm_warehouse.engine.rules import Rule

#: Name of a rule that is not stored yet; no stored one can have it.
_UNSAVED = "of this command"
_VERBS = {"reject": "rejects", "set_null": "sets to NULL in", "keep": "warns of"}


def run(words: Namespace) -> int:
    """Print what the rule would do; status 3 when it finds something."""
    from crm_warehouse.engine.profiles import as_loaded
    from crm_warehouse.engine.rule_check import check_rule

    source, entity = find_entity(words.source, words.entity)
    _refuse_both(words)
    with reading() as conn:
        source, entity = as_loaded(conn, source, source.name, entity)
        rule = _rule(conn, words, source, entity)
        finding = check_rule(conn, source, entity, source.name, rule)
    if words.json:
        print(json.dumps({"rule": asdict(rule), **asdict(finding)}))
    else:
        print(_as_text(rule, finding))
    return Exit.PARTIAL if finding.broken else Exit.SUCCESS


def _refuse_both(words: Namespace) -> None:
    of_new = {"--field": words.field, "--type": words.type, "--config": words.config}
    given = [name for name, value in of_new.items() if value is not None]
    if words.rule is not None and given:
        raise ConfigurationError(
            f"--rule: names a stored rule; leave it out, or {', '.join(given)}"
        )
    if words.rule is None and (words.field is None or words.type is None):
        raise ConfigurationError(
            "give --rule, or --field and --type (with --config) of a rule to be"
        )


def _rule(
    conn: "Connection", words: Namespace, source: Source, entity: Entity
) -> "Rule":
    from crm_warehouse.cli.stored_rules import as_rule, list_rules
    from crm_warehouse.engine.rules import Rule

    if words.rule is None:
        config = _config(words.config or "{}")
        on_error = words.on_error or "reject"
        return Rule(_UNSAVED, words.field, words.type, config, on_error)
    rules = {
        each["name"]: as_rule(each)
        for each in list_rules(conn, source.name, entity.name)
    }
    if words.rule not in rules:
        raise ConfigurationError(
            f"--rule: {source.name} {entity.name} has no rule {words.rule!r}"
            f"{hint(words.rule, rules)}; it has {', '.join(rules) or 'none'}"
        )
    rule = rules[words.rule]
    if words.on_error is not None:
        rule = Rule(rule.name, rule.field, rule.rule_type, rule.config, words.on_error)
    return rule


def _config(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ConfigurationError(
            f"--config: {text!r} is no JSON object; write it like '{{\"length\": 50}}'"
        )
    return config


def _as_text(rule: "Rule", finding: "Finding") -> str:
    lines = [
        f"{rule.field} {rule.rule_type} {json.dumps(rule.config, ensure_ascii=False)}"
        f" {_VERBS[rule.on_error]} {finding.broken} of {finding.records} records",
        f"rows of these records that are live in the warehouse: {finding.rows}",
        f"other records, refused already for another reason: "
        f"{finding.refused_otherwise}",
    ]
    if finding.examples:
        lines.append(f"for example: {', '.join(finding.examples)}")
    return "\n".join(lines)
