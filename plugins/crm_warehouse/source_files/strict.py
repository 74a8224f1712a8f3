"""Base of the YAML schemas: a key that nobody reads is a mistake."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, validates_schema

from crm_warehouse.source_files.fields import nearest


class StrictSchema(Schema):
    """Refuses unknown keys, and names the nearest known one."""

    class Meta:
        """Unknown keys are left to :meth:`_refuse_unknown_keys`."""

        unknown = EXCLUDE

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown_keys(self, _data: Any, original: Any, **_: Any) -> None:
        known = [field.data_key or name for name, field in self.fields.items()]
        problems = {
            key: [f"unknown key {key!r}{nearest(key, known)}"]
            for key in original
            if key not in known
        }
        if problems:
            raise ValidationError(problems)
