"""JSON Schema of the source files, for editors: completion, help, red underlines."""

from collections.abc import Collection
from functools import singledispatch
from typing import Any

from marshmallow import Schema, fields

from crm_warehouse.source_files import databases, paths
from crm_warehouse.source_files.containers import Items, Named, Part, Variant
from crm_warehouse.source_files.fields import Choice, Flag, Number, Text
from crm_warehouse.source_files.key_places import KeyPlaces
from crm_warehouse.source_files.mapping import Origin, Rule, columns_of
from crm_warehouse.source_files.profiles import OF_THE_SOURCE, Changes
from crm_warehouse.source_files.schemas import EntitySchema, SourceSchema
from crm_warehouse.unified import UNIFIED

Json = dict[str, Any]


def json_schema() -> Json:
    """Draft 2020-12 schema of a file; generated from what loading checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A source of the CRM warehouse",
        **_mapping(SourceSchema),
        "$defs": {
            "rule": _form(Rule("Place of the value in the record.")),
            "entity": {
                **_mapping(EntitySchema),
                "allOf": [_columns(into) for into in UNIFIED],
            },
            "profile": _changes(SourceSchema, leave_out=OF_THE_SOURCE),
            "changed_entity": _changes(EntitySchema),
        },
    }


def _columns(into: str) -> Json:
    """Which columns ``map`` may and must fill, given ``into``."""
    columns = columns_of(into)
    required = [column for column, field in columns.items() if field.required]
    return {
        "if": {"properties": {"into": {"const": into}}, "required": ["into"]},
        "then": {
            "properties": {
                "map": {
                    "properties": {
                        column: {"$ref": "#/$defs/rule"} for column in columns
                    },
                    "additionalProperties": False,
                    "required": required,
                }
            }
        },
    }


def _mapping(schema: type[Schema], **constants: str) -> Json:
    properties: Json = {key: {"const": word} for key, word in constants.items()}
    required = list(constants)
    for name, field in schema().fields.items():
        key = field.data_key or name
        properties[key] = _described(field)
        if field.required:
            required.append(key)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _changes(schema: type[Schema], leave_out: Collection[str] = ()) -> Json:
    """Changes of a mapping: any of its keys, of which null takes one away."""
    properties: Json = {}
    for name, field in schema().fields.items():
        key = field.data_key or name
        if key not in leave_out:
            form = _changed(field)
            description = form.pop("description")
            either = [form, {"type": "null"}]
            properties[key] = {"description": description, "anyOf": either}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _changed(field: fields.Field[Any]) -> Json:
    form = _described(field)
    form.pop("required", None)
    if isinstance(field, Named):
        item = form["additionalProperties"]
        if item == {"$ref": "#/$defs/entity"}:
            item = {"$ref": "#/$defs/changed_entity"}
        form["additionalProperties"] = {"anyOf": [item, {"type": "null"}]}
    return form


def _described(field: fields.Field[Any]) -> Json:
    description = field.metadata["description"]
    form = _form(field)
    if field.allow_none and "type" in form:
        form["type"] = [form["type"], "null"]
    return {"description": description, **form}


@singledispatch
def _form(field: fields.Field[Any]) -> Json:
    raise NotImplementedError(type(field))


@_form.register
def _(field: Text) -> Json:
    return {"type": "string", "pattern": f"^(?:{field.pattern})$"}


@_form.register
def _(field: Choice) -> Json:
    nothing = [None] if field.load_default is None else []
    return {"enum": [*field.words, *nothing]}


@_form.register
def _(_field: Flag) -> Json:
    return {"type": "boolean"}


@_form.register
def _(field: Number) -> Json:
    return {
        "type": "integer" if field.whole else "number",
        "minimum": field.minimum,
        "maximum": field.maximum,
    }


@_form.register
def _(field: Items) -> Json:
    return {
        "type": "array",
        "items": _form(field.item),
        "minItems": field.minimum,
        "uniqueItems": True,
    }


@_form.register
def _(field: Named) -> Json:
    return {
        "type": "object",
        "propertyNames": _form(field.name_field),
        "minProperties": 1,
        "additionalProperties": _reference(field.item),
    }


def _reference(field: fields.Field[Any]) -> Json:
    """Form of a named item; what stands in ``$defs`` is pointed at."""
    if isinstance(field, Rule):
        return {"$ref": "#/$defs/rule"}
    if isinstance(field, Changes):
        return {"$ref": "#/$defs/profile"}
    if isinstance(field, Part) and field.schema is EntitySchema:
        return {"$ref": "#/$defs/entity"}
    return _form(field)


@_form.register
def _(field: Part) -> Json:
    return _mapping(field.schema)


@_form.register
def _(field: Variant) -> Json:
    return {
        "oneOf": [
            _mapping(schema, **{field.key: word})
            for word, schema in field.schemas.items()
        ]
    }


@_form.register
def _(field: Origin) -> Json:
    rest = {"const": paths.REST}
    return {"anyOf": [_form(field.one), _form(field.several), rest]}


@_form.register
def _(field: KeyPlaces) -> Json:
    return {"anyOf": [_form(field.one), _form(field.several)]}


@_form.register
def _(field: Rule) -> Json:
    return {"anyOf": [*_form(field.short_form)["anyOf"], _mapping(field.long_form)]}


@_form.register
def _(field: databases.Places) -> Json:
    return {"anyOf": [_form(field.one), _form(field.several)]}


@_form.register
def _(field: databases.Rule) -> Json:
    long_forms = [_mapping(field.local_time), _mapping(field.codes)]
    return {"anyOf": [*_form(field.short_form)["anyOf"], *long_forms]}
