"""What goes into the images, and how their entry script hands secrets over."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.proof.compose import ROOT, image

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
SCRIPT = ROOT / "docker" / "with-secrets"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_installs_locked_wheels_and_runs_as_nobody(path: Path) -> None:
    built = image(path)
    installs = [rest for word, rest in built.steps if " install --" in rest]

    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "--only-binary=:all:" in installs[0]
    assert built.user == "50000:50000"
    assert built.entrypoint == ("/opt/crm-warehouse/docker/with-secrets",)
    assert "apt-get" not in path.read_text("utf-8")
    assert not {word for word, _ in built.steps} & {"ADD", "ARG"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_what_an_image_copies_is_there_and_not_ignored(path: Path) -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}

    assert "*" in ignore
    steps = [rest.split() for word, rest in image(path).steps if word == "COPY"]
    sources = {
        source
        for words in steps
        if not words[0].startswith("--from")
        for source in words[:-1]
    }
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        top = source.rstrip("/")
        assert top in allowed or top.split("/")[0] in allowed, source


def _versions(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    "lock", ["requirements-fab.txt", "webhook_receiver/requirements.txt"]
)
def test_the_images_run_the_versions_that_are_tested(lock: str) -> None:
    tested, shipped = _versions("requirements.txt"), _versions(lock)
    common = tested.keys() & shipped.keys()

    assert len(common) > 10
    assert [name for name in common if tested[name] != shipped[name]] == []


def test_the_receiver_needs_neither_airflow_nor_the_engine() -> None:
    names = _versions("webhook_receiver/requirements.txt").keys()

    assert {"flask", "gunicorn", "psycopg", "psycopg-pool", "cryptography"} <= names
    assert len(names) < 20
    assert not [name for name in names if "airflow" in name]


def hand_over(folder: Path, secrets: dict[str, str]) -> dict[str, str]:
    """Environment of a program that the entry script has started."""
    (folder / "secrets").mkdir()
    for name, text in secrets.items():
        (folder / "secrets" / name).write_text(text, "utf-8")
    text = SCRIPT.read_text("utf-8").replace("/run/secrets", f"{folder}/secrets")
    script = folder / "with-secrets"
    script.write_text(text.replace("/tmp/air", f"{folder}/air"), "utf-8")
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        ["sh", script, "python3", "-c", show],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_secrets_become_variables_of_the_program(tmp_path: Path) -> None:
    value = '{"password": "a b\'\\"$(echo no)\\\\n*"}'
    found = hand_over(
        tmp_path,
        {
            "AIRFLOW_CONN_GENIUS_DEFAULT": value,
            "AIRFLOW_CONN_HUBSPOT_DEFAULT": "",
            "CRM_WAREHOUSE_SEALING_KEY": "key\n",
            "postgres_password": "for the server",
            "LD_PRELOAD": "for nobody",
        },
    )

    assert found["AIRFLOW_CONN_GENIUS_DEFAULT"] == value
    assert found["CRM_WAREHOUSE_SEALING_KEY"] == "key"
    assert found.keys() - {"PATH", "PWD", "LC_CTYPE", "SHLVL", "_", "OLDPWD"} == {
        "AIRFLOW_CONN_GENIUS_DEFAULT",
        "CRM_WAREHOUSE_SEALING_KEY",
    }


def test_the_simple_managers_file_becomes_writable_for_it_alone(tmp_path: Path) -> None:
    hand_over(tmp_path, {"airflow_passwords.json": "{}"})
    copy = tmp_path / "airflow_passwords.json"

    assert copy.read_text("utf-8") == "{}"
    assert copy.stat().st_mode & 0o777 == 0o600


def test_making_secrets_again_changes_none(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = [ROOT / "docker" / "make-secrets", folder]
    subprocess.run(command, check=True, capture_output=True)
    first = {p.name: p.read_text("utf-8") for p in folder.iterdir() if p.is_file()}
    (folder / "AIRFLOW_CONN_GENIUS_DEFAULT").chmod(0o644)
    (folder / "AIRFLOW_CONN_GENIUS_DEFAULT").write_text("mine", "utf-8")
    (folder / "CRM_WAREHOUSE_SEALING_KEY").unlink()
    subprocess.run(command, check=True, capture_output=True)
    second = {p.name: p.read_text("utf-8") for p in folder.iterdir() if p.is_file()}

    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"AIRFLOW_CONN_GENIUS_DEFAULT", "CRM_WAREHOUSE_SEALING_KEY"}
    assert second["AIRFLOW_CONN_GENIUS_DEFAULT"] == "mine"
    assert folder.stat().st_mode & 0o777 == 0o700
    connection = json.loads(second["AIRFLOW_CONN_CRM_WAREHOUSE"])
    assert connection["password"] == second["warehouse_password"]
    assert len(second["AIRFLOW__API_AUTH__JWT_SECRET"]) == 128
