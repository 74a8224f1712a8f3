"""Build the virtual environment from the hash-locked requirements.

Runs before anything is installed: standard library only, any Python from 3.11 on.
A second call with nothing changed ends at once.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
STAMP = VENV / "setup-stamp"
MINIMUM = (3, 11)
UNREACHABLE = "The packages could not be installed. Is the package index reachable?"
#: Of these a caller may have settings that would lead an installation elsewhere.
_MISLEADING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME")

#: Settings that people have for pip and that uv knows by another name.
_SAME_FOR_UV = {"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "SSL_CERT_FILE": "PIP_CERT"}


class SetupError(Exception):
    """The environment cannot be built; the message says what to do."""


def key() -> str:
    """Fingerprint of everything the environment depends on."""
    digest = hashlib.sha256()
    for part in (sys.version, str(VENV), Path(__file__).read_text("utf-8")):
        digest.update(part.encode())
    for lock in LOCKS:
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def locked_uv() -> str:
    """The lines that pin uv and its hashes, cut out of the lock."""
    found = re.search(
        r"^uv==(?:.*\\\n)*.*\n", LOCKS[1].read_text("utf-8"), re.MULTILINE
    )
    if found is None:
        raise SetupError(f"{LOCKS[1].name} does not pin uv. Restore it, `make lock`.")
    return found.group()


def run(*command: str | Path, why: str) -> None:
    """Run one step; its output is shown only when it fails.

    Raises:
        SetupError: It failed.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _MISLEADING}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["VIRTUAL_ENV"] = str(VENV)
    for name, of_pip in _SAME_FOR_UV.items():
        if of_pip in os.environ:
            environment.setdefault(name, os.environ[of_pip])
    if not os.access(Path.home(), os.W_OK):  # a service user without a home
        environment.setdefault("UV_CACHE_DIR", str(ROOT / ".var" / "uv-cache"))
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"{done.stdout.strip()}\n{why}")


def find_uv() -> str | None:
    """A uv that works, or None (a shim on the path may lead nowhere)."""
    found = shutil.which("uv")
    if found is None:
        return None
    tried = subprocess.run([found, "--version"], capture_output=True, check=False)
    return found if tried.returncode == 0 else None


def fits() -> bool:
    """Whether the environment there runs this very Python."""
    code = "import sys; print(sys.version, sys.prefix)"
    try:
        done = subprocess.run(
            [str(PYTHON), "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return done.stdout.strip() == f"{sys.version} {VENV}".strip()


def make_venv(uv: str | None) -> None:
    """Make an empty environment, with pip only when there is no uv."""
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        why = "uv could not make the virtual environment."
        run(uv, "venv", "--python", sys.executable, VENV, why=why)
        return
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    why = (
        "This Python cannot make virtual environments. On Debian and Ubuntu: "
        f"`apt-get install python{release}-venv`, or put uv on the PATH."
    )
    run(sys.executable, "-m", "venv", VENV, why=why)


def own_uv() -> Path:
    """Install the locked uv into the environment with pip."""
    own = VENV / "bin" / "uv"
    if not own.exists():
        pinned = VENV / "uv.txt"
        pinned.write_text(locked_uv(), "utf-8")
        options = ["--quiet", "--require-hashes", "-r", str(pinned)]
        why = "uv could not be installed. Is the package index reachable?"
        run(PYTHON, "-m", "pip", "install", *options, why=why)
    return own


def install(uv: str | None) -> None:
    """Make the environment what the locks say, by pip where no uv is to be had."""
    try:
        chosen: str | Path = uv or own_uv()
    except SetupError:
        print("uv is not to be had; pip takes its place, and longer.", flush=True)
        by_pip()
    else:
        by_uv(chosen)
    release = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = VENV / "lib" / release / "site-packages"
    # So that `python -m crm_warehouse` and its tests find the package.
    (packages / "crm_warehouse.pth").write_text(f"{ROOT / 'plugins'}\n", "utf-8")


def by_pip() -> None:
    """Install all that the locks name."""
    files = [word for lock in LOCKS for word in ("-r", str(lock))]
    options = ["--quiet", "--require-hashes", *files]
    run(PYTHON, "-m", "pip", "install", *options, why=UNREACHABLE)


def by_uv(uv: str | Path) -> None:
    """Install what the locks name, and remove what they do not."""
    options = ["--require-hashes", "--compile-bytecode", "--python", str(PYTHON)]
    run(uv, "pip", "sync", "--quiet", *options, *LOCKS, why=UNREACHABLE)


def main() -> int:
    """Build what is not built yet."""
    if sys.version_info < MINIMUM:
        print(f"error: Python {sys.version.split()[0]} is too old, 3.11 is needed.")
        return 1
    wanted = key()
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted:
        return 0
    began = time.monotonic()
    print(f"Installing into {VENV} …", flush=True)
    try:
        uv = find_uv()
        if not fits():
            make_venv(uv)
        STAMP.unlink(missing_ok=True)
        install(uv)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; `make setup` goes on.", file=sys.stderr)
        return 130
    STAMP.write_text(wanted, "utf-8")
    print(f"Installed in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
