"""The files of a server: first-time creation, version, and whose they are."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from include.local_stack.errors import StackError
from include.local_stack.postgres_home import ServerUser

#: Longest path of a unix socket's folder that all systems take.
_SOCKET_FOLDER_BYTES = 85


def run_as(
    user: ServerUser | None, command: list[str], output: int
) -> subprocess.Popen[bytes]:
    """Start a program of the server as the server's user.

    Args:
        user: Whom to become; None stays who we are.
        command: Program and arguments; no secrets, everybody can read them.
        output: File descriptor for both outputs.
    """
    return subprocess.Popen(
        command,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )


def initialise(
    initdb: Path, data: Path, user: ServerUser | None, password: str, *, sync: bool
) -> None:
    """Make the data directory, all of it or nothing.

    Args:
        initdb: The program.
        data: Where to; must not exist.
        user: Owner of the files.
        password: Of the superuser ``postgres``.
        sync: Whether to wait until all of it is on disk.

    Raises:
        StackError: With what initdb said.
    """
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    word = data.with_name(f"initdb-{secrets.token_hex(8)}")
    handle = os.open(word, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(password)
    _give(word, user)
    command = [str(initdb), "-D", str(draft), "-U", "postgres", f"--pwfile={word}"]
    command += ["--auth-local=scram-sha-256", "--auth-host=scram-sha-256"]
    command += ["--encoding=UTF8", "--locale=C.UTF-8", "--lc-messages=C"]
    command += ["--no-instructions", *([] if sync else ["--no-sync"])]
    try:
        _run_initdb(command, user)
    finally:
        word.unlink()
    draft.rename(data)


def _run_initdb(command: list[str], user: ServerUser | None) -> None:
    with run_as(user, command, subprocess.PIPE) as process:
        output = process.stdout.read() if process.stdout else b""
    if process.returncode != 0:
        raise StackError(
            "PostgreSQL's data directory could not be made:\n"
            + output.decode("utf-8", "replace").strip()
        )


def check_version(data: Path, postgres: Path) -> None:
    """Refuse data of another major version before the server does, less clearly.

    Raises:
        StackError: Naming both versions.
    """
    written = (data / "PG_VERSION").read_text("ascii").strip()
    said = subprocess.run(
        [str(postgres), "--version"], capture_output=True, text=True, check=True
    ).stdout
    program = said.split()[2].split(".")[0]
    if program != written:
        raise StackError(
            f"{data} was written by PostgreSQL {written}, the installed one is "
            f"{program}. Dump with the old one and restore, or `make clean`."
        )


def socket_folder(home: Path, user: ServerUser | None) -> Path:
    """Make the folder of the unix socket: in the home, or in /tmp if too long.

    Raises:
        StackError: The place in /tmp was taken by somebody else.
    """
    folder = home / "socket"
    if len(os.fsencode(folder)) > _SOCKET_FOLDER_BYTES:
        status = home.stat()
        name = f"crm-postgres-{status.st_dev:x}-{status.st_ino:x}"
        folder = Path("/tmp") / name  # noqa: S108 - owner is checked below
    try:
        folder.mkdir(mode=0o700)
        _give(folder, user)
    except FileExistsError:
        owner = user.uid if user else os.geteuid()
        if folder.is_symlink() or folder.stat().st_uid != owner:
            raise StackError(
                f"{folder} belongs to somebody else. Remove it, or place the "
                "repository where its path is shorter."
            ) from None
    return folder


def _give(path: Path, user: ServerUser | None) -> None:
    if user:
        os.chown(path, user.uid, user.gid)
