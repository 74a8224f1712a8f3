"""The repository holds no secret, no machine's path, and nothing half done."""

import re
from pathlib import Path

import pytest
from repository_files import ROOT, files

#: Put together here, so that this file does not find itself.
FOREIGN = {
    "a machine's path": re.compile("/(?:work" + r"|home/\w+|Users/\w+)/"),
    "a package registry": re.compile(
        "(?:pypi" + r"\.org|files\.python" + r"hosted|registry\.npm" + "|art"
        "ifactory|://[^/ ]*nexus)",
        re.IGNORECASE,
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
    "a cloud key": re.compile(r"\bAKI" + r"A[0-9A-Z]{16}\b"),
    "a token": re.compile(
        r"\b(?:gh[opsu]_[A-Za-z0-9]{36}|xox[abp]-\w{10}|sk_live_\w{10}"
        r"|pat-(?:na|eu)1-[0-9a-f]{8}-|eyJ[\w-]{20,}\.eyJ)"
    ),
}
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
CODE = {".py", ".sql", ".yaml", ".toml", ".sh", ".cfg"}
#: Not written by hand, or not ours to shorten.
LOCKS = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-fab.txt",
    "webhook_receiver/requirements.txt",
]
LONG = {*(Path(lock).name for lock in LOCKS), "source.schema.json", "LICENSE"}
MOST_LINES = 450
MOST_LINES_OF_A_TEST = 500


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_holds(what: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in files()
        if FOREIGN[what].search(path.read_text("utf-8"))
    ]

    assert not found


def test_the_patterns_find_what_they_are_for() -> None:
    bad = {
        "a machine's path": "see /ho" + "me/anna/notes",
        "a package registry": "--index-url https://py" + "pi.org/simple",
        "a private key": "-----BEGIN RSA PRI" + "VATE KEY-----",
        "a cloud key": "AK" + "IA" + "Q" * 16,
        "a token": "gh" + "p_" + "a" * 36,
    }

    assert bad.keys() == FOREIGN.keys()
    assert all(FOREIGN[what].search(text) for what, text in bad.items())
    assert UNFINISHED.search("# TO" + "DO: later")


def test_no_code_is_left_unfinished() -> None:
    code = [path for path in files() if path.suffix in CODE or path.name == "Makefile"]

    assert len(code) > 100
    found = [path.name for path in code if UNFINISHED.search(path.read_text("utf-8"))]
    assert not found


def test_no_file_is_too_long() -> None:
    found = []
    for path in files():
        is_test = path.is_relative_to(ROOT / "tests")
        most = MOST_LINES_OF_A_TEST if is_test else MOST_LINES
        lines = path.read_text("utf-8").count("\n")
        if path.name not in LONG and lines > most:
            found.append((str(path.relative_to(ROOT)), lines))

    assert not found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    blocks = _locked(lock)

    assert len(blocks) > 10
    for name, block in blocks.items():
        assert re.match(r"\S+==\S+", block), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), name


@pytest.mark.parametrize("wish", ["requirements.in", "requirements-dev.in"])
def test_every_wanted_package_is_locked(wish: str) -> None:
    text = (ROOT / wish).read_text("utf-8")
    wanted = {
        _normal(name) for name in re.findall(r"^([A-Za-z][\w.-]*)", text, re.MULTILINE)
    }

    assert len(wanted) > 5
    assert wanted <= _locked(wish.replace(".in", ".txt")).keys()


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text("utf-8")
    blocks = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]
    return {_normal(re.split(r"[=\[; ]", block)[0]): block for block in blocks}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_git_ignores_what_is_made() -> None:
    rules = (ROOT / ".gitignore").read_text("utf-8").splitlines()

    # Databases and secrets of a stack, the environment, what tests leave.
    assert {"/.var/", "/.venv/", "__pycache__/", ".coverage"} <= set(rules)
    assert not [rule for rule in rules if rule.startswith("!")]
