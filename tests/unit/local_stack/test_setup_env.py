import subprocess
import sys
from pathlib import Path

import pytest

from include.local_stack import setup_env

SCRIPT = Path(setup_env.__file__)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two small locks."""
    locks = (tmp_path / "requirements.txt", tmp_path / "requirements-dev.txt")
    locks[0].write_text("one==1\n")
    locks[1].write_text(
        "two==2 \\\n    --hash=sha256:22\n"
        "uv==3 \\\n    --hash=sha256:33 \\\n    --hash=sha256:34\n    # via x\n"
        "uvloop==4 \\\n    --hash=sha256:44\n"
    )
    monkeypatch.setattr(setup_env, "LOCKS", locks)
    monkeypatch.setattr(setup_env, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup_env, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(setup_env, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    return tmp_path


def test_it_runs_without_any_package() -> None:
    code = f"import runpy; runpy.run_path({str(SCRIPT)!r})"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False)
    assert done.returncode == 0


def test_the_fingerprint_follows_each_lock_and_the_place(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {setup_env.key()}
    for lock in setup_env.LOCKS:
        lock.write_text(lock.read_text() + "more==1\n")
        seen.add(setup_env.key())
    monkeypatch.setattr(setup_env, "VENV", elsewhere / "moved")
    seen.add(setup_env.key())
    assert len(seen) == 4


def test_the_second_call_installs_nothing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(setup_env, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup_env, "fits", lambda: bool(steps))
    monkeypatch.setattr(setup_env, "make_venv", lambda uv: setup_env.VENV.mkdir())
    monkeypatch.setattr(setup_env, "install", lambda uv: steps.append(str(uv)))
    assert setup_env.main() == 0
    assert setup_env.main() == 0
    assert steps == ["uv"]
    setup_env.LOCKS[0].write_text("one==2\n")
    assert setup_env.main() == 0
    assert steps == ["uv", "uv"]


def test_a_failed_installation_leaves_no_stamp(
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_uv: object) -> None:
        raise setup_env.SetupError("no network")

    (elsewhere / ".venv").mkdir()
    (elsewhere / ".venv" / "stamp").write_text("an older state")
    monkeypatch.setattr(setup_env, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup_env, "fits", lambda: True)
    monkeypatch.setattr(setup_env, "install", fail)
    assert setup_env.main() == 1
    assert "no network" in capsys.readouterr().err
    assert not setup_env.STAMP.exists()


def test_pip_takes_over_where_no_uv_is_to_be_had(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "empty").mkdir()
    monkeypatch.setenv("PATH", str(elsewhere / "empty"))
    steps: list[tuple[str, ...]] = []

    def run(*command: str | Path, why: str) -> None:
        if any(str(word).endswith("uv.txt") for word in command):
            raise setup_env.SetupError("no wheel of uv for this machine")
        steps.append(tuple(map(str, command)))
        if "venv" in command:
            release = f"python{sys.version_info.major}.{sys.version_info.minor}"
            packages = setup_env.VENV / "lib" / release / "site-packages"
            packages.mkdir(parents=True)

    monkeypatch.setattr(setup_env, "run", run)

    assert setup_env.main() == 0

    _, (python, *words) = steps
    assert python == str(setup_env.PYTHON)
    assert words[:3] == ["-m", "pip", "install"]
    assert "--require-hashes" in words
    for lock in setup_env.LOCKS:
        assert words[words.index(str(lock)) - 1] == "-r"
    assert setup_env.STAMP.exists()
    assert list(elsewhere.rglob("crm_warehouse.pth"))


def test_an_interrupted_installation_is_one_line(
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_uv: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup_env, "fits", lambda: True)
    monkeypatch.setattr(setup_env, "install", interrupt)
    (elsewhere / ".venv").mkdir()

    assert setup_env.main() == 130
    assert capsys.readouterr().err == "\nInterrupted; `make setup` goes on.\n"
    assert not setup_env.STAMP.exists()


def test_uv_is_installed_with_the_hashes_of_the_lock(elsewhere: Path) -> None:
    assert setup_env.locked_uv() == (
        "uv==3 \\\n    --hash=sha256:33 \\\n    --hash=sha256:34\n"
    )


def test_the_committed_lock_pins_uv() -> None:
    assert "--hash=sha256:" in setup_env.locked_uv()


def test_an_old_python_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup_env, "MINIMUM", (99, 0))
    assert setup_env.main() == 1
    assert "too old" in capsys.readouterr().out


def test_settings_that_lead_elsewhere_do_not_reach_the_installer(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    code = (
        "import os; assert 'PIP_USER' not in os.environ;"
        "assert os.environ['UV_DEFAULT_INDEX'] == 'https://index.example/simple'"
    )
    monkeypatch.setattr(setup_env, "ROOT", elsewhere)
    setup_env.run(sys.executable, "-c", code, why="the environment is wrong")
    with pytest.raises(setup_env.SetupError, match="because"):
        setup_env.run(sys.executable, "-c", "raise SystemExit(1)", why="because")
