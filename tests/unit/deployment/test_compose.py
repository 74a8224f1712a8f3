"""What every service of docker-compose.yaml promises.

Checked without Docker, against the compose specification's schema and our own rules;
whether the services run is for `make prove`.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.local_stack.settings import ENVIRONMENTS
from tests.proof.compose import ROOT, compose, environment_of, image_of, settings
from webhook_receiver.verifiers import VERIFIERS

_SERVICES = compose("dev")["services"]
_ONE_SHOT = {"airflow-migrate", "warehouse-migrate"}
_LONG_LIVED = sorted(set(_SERVICES) - _ONE_SHOT)
#: Names of a Compose service that we use; another is a slip of the pen, or new here.
_KEYS = {
    *("build", "image", "entrypoint", "command", "env_file", "environment", "secrets"),
    *("cap_drop", "init", "read_only", "security_opt", "user"),
    *("cpus", "mem_limit", "pids_limit", "shm_size", "tmpfs", "volumes", "logging"),
    *("depends_on", "healthcheck", "restart", "stop_grace_period", "stop_signal"),
    *("networks", "ports"),
}
_SECRET = re.compile(r"(password|secret|_key|fernet|token|_conn)", re.IGNORECASE)


def _follows_the_specification(file: Path) -> bool:
    words = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    ended = subprocess.run([sys.executable, *words, str(file)], capture_output=True)
    return ended.returncode == 0


def test_the_file_follows_the_compose_specification(tmp_path: Path) -> None:
    file = ROOT / "docker-compose.yaml"
    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(file.read_text("utf-8").replace("healthcheck:", "healthchek:"))

    assert _follows_the_specification(file)
    assert not _follows_the_specification(wrong)


def test_these_services_make_up_the_product() -> None:
    assert set(_SERVICES) == {
        *("postgres", "airflow-migrate", "warehouse-migrate", "nginx", "receiver"),
        *("api-execution", "api-core", "scheduler", "dag-processor", "triggerer"),
    }


@pytest.mark.parametrize("name", _SERVICES)
def test_a_container_can_do_little(name: str) -> None:
    service = _SERVICES[name]

    assert set(service) <= _KEYS
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0", "0:0")
    assert service["pids_limit"] <= 400
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["cpus"] <= 2
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    mounts = [str(each) for each in service.get("volumes", [])]
    assert not [each for each in mounts if "docker.sock" in each]
    # Files of this repository and certificates are read, never written.
    assert not [m for m in mounts if m[0] in "./" and not m.endswith(":ro")]


@pytest.mark.parametrize("name", _SERVICES)
def test_secrets_are_files(name: str) -> None:
    service, known = _SERVICES[name], compose("dev")["secrets"]

    assert set(service.get("secrets", [])) <= set(known)
    # Where a secret's file is, is none.
    names = [key for key in environment_of(service) if not key.endswith("_FILE")]
    assert not [key for key in names if _SECRET.search(key)]
    assert all(each["file"].startswith("./secrets/") for each in known.values())


def test_make_secrets_makes_exactly_what_is_named() -> None:
    script = (ROOT / "docker" / "make-secrets").read_text("utf-8")
    made = set(re.findall(r"^keep ([A-Za-z_.]+)", script, re.MULTILINE))
    sources = re.search(r"for source in (.*?); do", script, re.DOTALL)
    assert sources
    words = sources[1].replace("\\", "").split()

    assert made | {f"AIRFLOW_CONN_{word}" for word in words} == set(
        compose("dev")["secrets"]
    )


def test_the_receiver_has_no_key_of_airflow() -> None:
    given = _SERVICES["receiver"]["secrets"]

    assert given
    assert all(name.startswith("AIRFLOW_CONN_") for name in given)


def test_the_receiver_knows_the_warehouse_and_who_posts_alone() -> None:
    assert set(_SERVICES["receiver"]["secrets"]) == {
        "AIRFLOW_CONN_CRM_WAREHOUSE",
        *(f"AIRFLOW_CONN_{source.upper()}_DEFAULT" for source in VERIFIERS),
    }


@pytest.mark.parametrize("name", _LONG_LIVED)
def test_a_long_lived_service_is_watched_and_comes_back(name: str) -> None:
    service = _SERVICES[name]

    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["healthcheck"]["retries"] == 4


def test_migrations_run_first_and_once() -> None:
    for name in _ONE_SHOT:
        assert _SERVICES[name]["restart"] == "no"
        assert _SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"}
        }
    done = {"condition": "service_completed_successfully"}
    for name in ("api-execution", "api-core", "scheduler", "dag-processor"):
        assert _SERVICES[name]["depends_on"]["airflow-migrate"] == done
        assert _SERVICES[name]["depends_on"]["warehouse-migrate"] == done
    assert _SERVICES["triggerer"]["depends_on"] == _SERVICES["scheduler"]["depends_on"]
    assert _SERVICES["receiver"]["depends_on"] == {"warehouse-migrate": done}


def test_only_nginx_is_to_be_reached() -> None:
    assert [name for name, each in _SERVICES.items() if "ports" in each] == ["nginx"]
    assert compose("dev")["networks"]["data"] == {"internal": True}
    assert _SERVICES["postgres"]["networks"] == ["data"]
    assert _SERVICES["nginx"]["networks"] == ["edge"]


@pytest.mark.parametrize("name", _SERVICES)
def test_images_are_pinned(name: str) -> None:
    service = _SERVICES[name]
    built = image_of(service)
    base = built.base if built else service["image"]

    assert re.search(r":\d+(\.\d+)*-[a-z]", base), base
    if built:
        assert service["user"] == built.user == "50000:50000"


def test_commits_are_durable() -> None:
    command = _SERVICES["postgres"]["command"]

    assert {"--fsync=on", "--synchronous_commit=on"} <= set(command)


def test_the_api_server_is_two_processes() -> None:
    apps = {
        name: _SERVICES[name]["command"][_SERVICES[name]["command"].index("--apps") + 1]
        for name in ("api-execution", "api-core")
    }
    assert apps == {"api-execution": "execution", "api-core": "core"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_is_what_it_says(environment: str) -> None:
    known: dict[str, Any] = settings(environment)
    manager = known["AIRFLOW__CORE__AUTH_MANAGER"].rpartition(".")[2]
    services = compose(environment)["services"]

    assert known["CRM_WAREHOUSE_ENV"] == environment
    assert services["receiver"]["env_file"] == [f"env/{environment}.env"]
    plain = environment == "dev"
    assert manager == ("SimpleAuthManager" if plain else "FabAuthManager")
    assert known["CRM_LISTEN"] == ("plain" if plain else "tls")
    assert known["AIRFLOW__API__BASE_URL"].startswith("https://") is not plain
    assert known["CRM_PUBLISH"].startswith("127.0.0.1:") is plain
    assert known.get("AIRFLOW__FAB__COOKIE_SECURE") == (None if plain else "True")
