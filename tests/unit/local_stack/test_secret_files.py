import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.local_stack import secret_files
from include.local_stack.errors import StackError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_they_are_made_once_and_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    before = os.umask(0)
    try:
        first = secret_files.load(folder)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names == {"stack.json", "airflow_passwords.json", "pgpass"}
    assert {mode(folder / name) for name in names} == {0o600}
    assert secret_files.load(folder) == first


def test_two_stacks_share_nothing(tmp_path: Path) -> None:
    one = vars(secret_files.load(tmp_path / "one"))
    two = vars(secret_files.load(tmp_path / "two"))
    assert not set(one.values()) & set(two.values())
    assert len(set(one.values())) == len(one)


def test_they_are_keys_that_their_users_accept(tmp_path: Path) -> None:
    made = secret_files.load(tmp_path)
    assert Fernet(made.fernet_key)
    assert len(base64.b64decode(made.sealing_key, validate=True)) == 32
    airflow = json.loads((tmp_path / "airflow_passwords.json").read_text())
    assert airflow == {"admin": made.admin_password}
    line = f"*:*:*:crm_warehouse:{made.warehouse_password}\n"
    assert line in (tmp_path / "pgpass").read_text()


def test_loose_modes_are_tightened(tmp_path: Path) -> None:
    secret_files.load(tmp_path)
    (tmp_path / "stack.json").chmod(0o644)
    secret_files.load(tmp_path)
    assert mode(tmp_path / "stack.json") == 0o600


def test_a_secret_that_is_new_in_a_release_is_added(tmp_path: Path) -> None:
    made = secret_files.load(tmp_path)
    path = tmp_path / "stack.json"
    known = json.loads(path.read_text())
    del known["sealing_key"]
    path.write_text(json.dumps(known))
    again = secret_files.load(tmp_path)
    assert again.admin_password == made.admin_password
    assert again.sealing_key != made.sealing_key
    assert secret_files.load(tmp_path) == again


def test_a_broken_file_is_not_overwritten_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text('{"fernet_key": "hush')
    with pytest.raises(StackError, match="Restore it from a backup") as caught:
        secret_files.load(tmp_path)
    assert "hush" not in str(caught.value)
    assert path.read_text() == '{"fernet_key": "hush'


def test_no_secret_in_the_repr(tmp_path: Path) -> None:
    made = secret_files.load(tmp_path)
    shown = repr(made)
    assert not [each for each in vars(made).values() if each in shown]
