"""What is sealed opens with its key, for its purpose, unchanged, and not otherwise."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from crm_warehouse.connections import Connection
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.sealing import Sealer, open_connections, seal_connections

CANARY = "canary-51ab"


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def environ(*keys: str) -> dict[str, str]:
    return {"CRM_WAREHOUSE_SEALING_KEY": ",".join(keys)}


def sealer(*keys: str) -> Sealer:
    return Sealer.from_environment(environ(*keys))


CONNECTIONS = [
    Connection(
        "genius_default", "genius", "https://h/v1", password=CANARY, extra={"a": [1]}
    ),
    Connection("hubspot_default", "hubspot", login="l", password="other", port=1),
]


def test_a_sealed_text_opens_and_is_not_readable() -> None:
    box = sealer(new_key())

    sealed = box.seal(CANARY, "oauth|hubspot")

    assert box.open(sealed, "oauth|hubspot") == CANARY
    assert CANARY not in sealed
    assert sealed != box.seal(CANARY, "oauth|hubspot"), "the nonce must be fresh"


def test_a_text_sealed_for_something_else_does_not_open() -> None:
    box = sealer(new_key())
    sealed = box.seal(CANARY, "connections|a")

    with pytest.raises(ConfigurationError, match=r"^connections\|b: was changed after"):
        box.open(sealed, "connections|b")


def test_any_changed_byte_is_noticed() -> None:
    box = sealer(new_key())
    prefix, key_id, body = box.seal("ab", "p").split(".")
    raw = base64.urlsafe_b64decode(body)

    for index in range(len(raw)):
        changed = bytearray(raw)
        changed[index] ^= 1
        text = base64.urlsafe_b64encode(bytes(changed)).decode()
        with pytest.raises(ConfigurationError, match="was changed after sealing"):
            box.open(f"{prefix}.{key_id}.{text}", "p")


@pytest.mark.parametrize("body", ["!!!!", "AAAA", "A"])
def test_a_body_that_is_none_is_noticed(body: str) -> None:
    box = sealer(new_key())
    prefix, key_id, _ = box.seal("ab", "p").split(".")

    with pytest.raises(ConfigurationError, match="was changed after sealing"):
        box.open(f"{prefix}.{key_id}.{body}", "p")


@pytest.mark.parametrize("text", ["", "plain", "aes256gcm.x", "other.a.b"])
def test_what_was_never_sealed_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^p: is no sealed text$"):
        sealer(new_key()).open(text, "p")


def test_rotation_opens_old_texts_and_seals_with_the_first_key() -> None:
    old, new = new_key(), new_key()
    sealed_before = sealer(old).seal(CANARY, "p")
    both = sealer(new, old)

    assert both.open(sealed_before, "p") == CANARY
    assert sealer(new).open(both.seal(CANARY, "p"), "p") == CANARY


def test_a_wrong_key_is_named_by_id_only() -> None:
    right, wrong = new_key(), new_key()
    sealed = sealer(right).seal(CANARY, "p")

    with pytest.raises(ConfigurationError) as caught:
        sealer(wrong).open(sealed, "p")

    message = str(caught.value)
    assert f"was sealed with key {sealed.split('.')[1]}, but" in message
    assert not any(secret in message for secret in (right, wrong, CANARY))


def test_the_key_id_of_another_key_does_not_help() -> None:
    one, two = new_key(), new_key()
    body = sealer(one).seal(CANARY, "p").split(".")[2]
    prefix, other_id, _ = sealer(two).seal("x", "p").split(".")

    with pytest.raises(ConfigurationError, match="was changed after sealing"):
        sealer(one, two).open(f"{prefix}.{other_id}.{body}", "p")


def test_url_safe_base64_is_a_key_too() -> None:
    key = b"\xff" * 32
    plain = base64.b64encode(key).decode()
    safe = base64.urlsafe_b64encode(key).decode()

    assert plain != safe
    assert sealer(safe).open(sealer(plain).seal(CANARY, "p"), "p") == CANARY


@pytest.mark.parametrize("value", [{}, environ(), environ(" ")])
def test_a_missing_key_names_the_variable(value: dict[str, str]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^CRM_WAREHOUSE_SEALING_KEY is not set"
    ):
        Sealer.from_environment(value)


@pytest.mark.parametrize("text", [CANARY, "AAAA", base64.b64encode(bytes(31)).decode()])
def test_an_unusable_key_is_counted_but_not_shown(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match="_KEY: key 2 is not 32 bytes"
    ) as caught:
        Sealer.from_environment(environ(new_key(), text))

    assert text not in str(caught.value)


def test_a_sealer_shows_no_key() -> None:
    key = new_key()

    assert key not in repr(sealer(key))
    assert repr(base64.b64decode(key)) not in repr(vars(sealer(key)))


def test_sealed_connections_come_back_equal(tmp_path: Path) -> None:
    path, key = tmp_path / "new" / "connections.sealed", environ(new_key())

    seal_connections(CONNECTIONS, path, key)

    assert open_connections(path, key) == {c.id: c for c in CONNECTIONS}
    assert CANARY.encode() not in path.read_bytes()


def test_only_the_owner_reads_the_file_and_its_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "connections.sealed"
    old_mask = os.umask(0)
    try:
        seal_connections(CONNECTIONS, path, environ(new_key()))
    finally:
        os.umask(old_mask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_export_replaces_the_first_and_leaves_nothing_beside(
    tmp_path: Path,
) -> None:
    path, key = tmp_path / "connections.sealed", environ(new_key())
    seal_connections(CONNECTIONS, path, key)

    seal_connections(CONNECTIONS[:1], path, key)

    assert list(open_connections(path, key)) == ["genius_default"]
    assert [p.name for p in tmp_path.iterdir()] == ["connections.sealed"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = tmp_path / "connections.sealed", environ(new_key())
    seal_connections(CONNECTIONS, path, key)
    before = path.read_bytes()

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        seal_connections(CONNECTIONS[:1], path, key)

    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["connections.sealed"]


def test_swapped_entries_do_not_open(tmp_path: Path) -> None:
    path, key = tmp_path / "connections.sealed", environ(new_key())
    seal_connections(CONNECTIONS, path, key)
    entries = json.loads(path.read_text())
    one, two = entries
    entries[one], entries[two] = entries[two], entries[one]
    path.write_text(json.dumps(entries))

    with pytest.raises(
        ConfigurationError, match=r"connections\|genius_default: was cha"
    ):
        open_connections(path, key)


@pytest.mark.parametrize("content", ["", "[]", "\x00", '{"a": 1'])
def test_a_damaged_file_says_how_to_make_it_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "connections.sealed"
    path.write_text(content)

    with pytest.raises(
        ConfigurationError, match=r"is damaged; run .*connections export"
    ):
        open_connections(path, environ(new_key()))


def test_an_entry_that_is_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "connections.sealed"
    path.write_text('{"a": 1}')

    with pytest.raises(ConfigurationError, match=r"connections\|a: is no sealed text"):
        open_connections(path, environ(new_key()))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        open_connections(tmp_path / "gone", environ(new_key()))
