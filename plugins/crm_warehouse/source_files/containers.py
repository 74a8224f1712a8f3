"""Fields of the YAML schemas that hold other fields.

Each reports the problems of all its items, keyed as the YAML is, so that a message can
name the place.
"""

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from crm_warehouse.source_files.fields import Choice, Described, Text, kind_of, nearest


class Items(Described):
    """A list of values of one kind, in order.

    Args:
        description: What the key means.
        item: Field of each value.
        minimum: Least number of items.
        unique_by: Names an item; no two may have the same name.
        **options: As of :class:`Described`.
    """

    def __init__(
        self,
        description: str,
        item: fields.Field[Any],
        *,
        minimum: int = 0,
        unique_by: Callable[[Any], Any] = str,
        **options: Any,
    ) -> None:
        super().__init__(description, **options)
        self.item = item
        self.minimum = minimum
        self._unique_by = unique_by

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValidationError(f"must be a list, not {kind_of(value)}")
        if len(value) < self.minimum:
            raise ValidationError(f"needs at least {self.minimum} item")
        loaded: dict[Any, Any] = {}
        problems: dict[int, Any] = {}
        for index, raw in enumerate(value):
            try:
                item = self.item.deserialize(raw)
            except ValidationError as error:
                problems[index] = error.messages
                continue
            name = self._unique_by(item)
            if name in loaded:
                problems[index] = [f"{name!r} is there twice"]
            loaded[name] = item
        if problems:
            raise ValidationError(problems)
        return tuple(loaded.values())


class Named(Described):
    """A mapping of names to values of one kind.

    Args:
        description: What the key means.
        name: Field that every key must satisfy.
        item: Field of each value.
        **options: As of :class:`Described`.
    """

    def __init__(
        self,
        description: str,
        name: Text | Choice,
        item: fields.Field[Any],
        **options: Any,
    ) -> None:
        super().__init__(description, **options)
        self.name_field = name
        self.item = item

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(f"must be a mapping, not {kind_of(value)}")
        if not value:
            raise ValidationError("must not be empty")
        loaded: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, raw in value.items():
            try:
                self.name_field.deserialize(name)
                loaded[name] = self.item.deserialize(raw)
            except ValidationError as error:
                problems[name] = error.messages
        if problems:
            raise ValidationError(problems, valid_data=loaded)
        return loaded


class Part(Described):
    """A mapping with keys of its own."""

    def __init__(self, description: str, schema: type[Schema], **options: Any) -> None:
        super().__init__(description, **options)
        self.schema = schema

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return load_part(self.schema, value)


class Variant(Described):
    """A mapping whose other keys depend on the word under ``key``."""

    def __init__(
        self,
        description: str,
        key: str,
        schemas: Mapping[str, type[Schema]],
        **options: Any,
    ) -> None:
        super().__init__(description, **options)
        self.key = key
        self.schemas = schemas

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError(f"must be a mapping, not {kind_of(value)}")
        if self.key not in value:
            words = ", ".join(self.schemas)
            raise ValidationError({self.key: [f"is missing; known: {words}"]})
        word = value[self.key]
        if not isinstance(word, str) or word not in self.schemas:
            hint = nearest(str(word), self.schemas)
            raise ValidationError({self.key: [f"unknown word {word!r}{hint}"]})
        rest = {name: item for name, item in value.items() if name != self.key}
        return load_part(self.schemas[word], rest)


def load_part(schema: type[Schema], value: Any) -> Any:
    """Load a mapping; its problems are keyed by the YAML's own keys."""
    if not isinstance(value, dict):
        raise ValidationError(f"must be a mapping, not {kind_of(value)}")
    return schema().load(value)
