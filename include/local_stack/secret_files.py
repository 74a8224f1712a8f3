"""Generated secrets: made once, kept in files that only their owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from include.local_stack.errors import StackError


def _word() -> str:
    return secrets.token_urlsafe(64)  # as long as SHA-512's block wants a key


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def _sealing_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


@dataclass(frozen=True, repr=False)
class Secrets:
    """Every secret of one stack. Never printed: there is no repr on purpose."""

    fernet_key: str = field(default_factory=_fernet_key)
    jwt_secret: str = field(default_factory=_word)
    api_secret_key: str = field(default_factory=_word)
    admin_password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    postgres_password: str = field(default_factory=_word)
    airflow_password: str = field(default_factory=_word)
    warehouse_password: str = field(default_factory=_word)
    sealing_key: str = field(default_factory=_sealing_key)

    def database_passwords(self) -> dict[str, str]:
        """PostgreSQL role -> password."""
        return {
            "postgres": self.postgres_password,
            "airflow": self.airflow_password,
            "crm_warehouse": self.warehouse_password,
        }


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read, in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def load(folder: Path) -> Secrets:
    """Read the secrets of a stack; generate what is not there yet.

    Args:
        folder: Holds ``stack.json``, Airflow's ``airflow_passwords.json`` and
            ``pgpass`` for psql.

    Raises:
        StackError: The file is there but unreadable; nothing is overwritten.
    """
    path = private_folder(folder) / "stack.json"
    known = _read(path)
    loaded = Secrets(**known)
    if asdict(loaded) != known:
        write_private(path, json.dumps(asdict(loaded), indent=2) + "\n")
    path.chmod(0o600)
    write_private(
        folder / "airflow_passwords.json", json.dumps({"admin": loaded.admin_password})
    )
    lines = [f"*:*:*:{role}:{w}\n" for role, w in loaded.database_passwords().items()]
    write_private(folder / "pgpass", "".join(lines))
    return loaded


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    names = {each.name for each in fields(Secrets)}
    try:
        content = json.loads(path.read_text("utf-8"))
        return {name: str(content[name]) for name in names & set(content)}
    except (ValueError, TypeError, OSError) as error:
        # The error's text could show a piece of the file.
        raise StackError(
            f"{path} cannot be read ({type(error).__name__}). Restore it from a "
            "backup, or `make clean` to begin anew with empty databases."
        ) from None
