"""The specification's Genius mapping, once more: the judge of the truth."""

META = ("expect", "defect", "null_fields", "warnings")
DATES = {"created_date": "source_created_at", "modified_date": "source_updated_at"}
SAME = {
    "prospects": "first_name last_name email phone address city state zip status",
    "appointments": "scheduled_date status type notes",
    "users": "name email phone status",
    "divisions": "name status",
    "marketing_sources": "name status",
}
RENAMED = {
    "prospects": {"source": "lead_source"},
    "appointments": {
        "prospect_id": "contact_source_id",
        "user_id": "user_source_id",
    },
    "users": {"full_name": "name"},
}


def expected_row(entity, record):
    """The specification's mapping, once more."""
    names = {name: name for name in SAME[entity].split()}
    names |= DATES | RENAMED.get(entity, {})
    row = dict.fromkeys(names.values())
    row["source_id"] = str(record["id"])
    rest = {}
    for name, value in record.items():
        if name in names:
            as_text = names[name].endswith("_source_id")
            row[names[name]] = str(value) if as_text else value
        elif name != "id":
            rest[name] = value
    return (
        row if entity in ("prospects", "appointments") else row | {"attributes": rest}
    )
