import configparser
import json
import socket
import subprocess
from pathlib import Path

import pytest

from include.local_stack import airflow_parts, secret_files
from include.local_stack.errors import StackError
from include.local_stack.launch import choose_ports
from include.local_stack.process import Process
from include.local_stack.procfs import Identity
from include.local_stack.settings import ROOT, StackSettings, from_environment
from include.local_stack.state import PartState, State

PORTS = {"ui": 1001, "execution": 1002, "postgres": 1003, "receiver": 1004}


class TestFromEnvironment:
    def test_defaults_are_those_of_a_developer(self) -> None:
        settings = from_environment({})
        assert settings.environment == "dev"
        assert settings.var == ROOT / ".var"
        assert settings.fixed_ports == {}

    def test_values_are_taken(self, tmp_path: Path) -> None:
        settings = from_environment(
            {
                "CRM_WAREHOUSE_ENV": "staging",
                "CRM_STACK_VAR": str(tmp_path),
                "CRM_STACK_UI_PORT": "9000",
            }
        )
        assert settings.environment == "staging"
        assert settings.var == tmp_path
        assert settings.fixed_ports == {"ui": 9000}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CRM_WAREHOUSE_ENV", "production"),
            ("CRM_STACK_UI_PORT", "http"),
            ("CRM_STACK_POSTGRES_PORT", "70000"),
        ],
    )
    def test_nonsense_is_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(StackError, match=name):
            from_environment({name: value})


class TestEnvironmentOfParts:
    @pytest.fixture
    def secrets(self, tmp_path: Path) -> secret_files.Secrets:
        return secret_files.load(tmp_path / "secrets")

    def test_little_of_the_callers_environment_passes(
        self, secrets: secret_files.Secrets
    ) -> None:
        caller = {
            "PATH": "/bin",
            "AWS_SECRET_ACCESS_KEY": "no",
            "PYTHONPATH": "/elsewhere",
            "AIRFLOW__CORE__EXECUTOR": "no",
            "AIRFLOW_CONN_GENIUS_DEFAULT": "{}",
            "AIRFLOW_VAR_X": "1",
        }
        env = airflow_parts.environment(StackSettings(), PORTS, secrets, caller)
        assert env["PATH"] == "/bin"
        assert env["AIRFLOW_CONN_GENIUS_DEFAULT"] == "{}"
        assert env["AIRFLOW_VAR_X"] == "1"
        assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(env)
        assert "AIRFLOW__CORE__EXECUTOR" not in env

    def test_the_stacks_own_database_goes_before_the_callers(
        self, secrets: secret_files.Secrets
    ) -> None:
        settings = StackSettings(
            environment="staging",
            more_environment=lambda ports: {"SANDBOX": str(ports["ui"])},
        )
        caller = {"AIRFLOW_CONN_CRM_WAREHOUSE": "other", "CRM_WAREHOUSE_ENV": "dev"}
        env = airflow_parts.environment(settings, PORTS, secrets, caller)
        connection = json.loads(env["AIRFLOW_CONN_CRM_WAREHOUSE"])
        assert connection == {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": 1003,
            "login": "crm_warehouse",
            "password": secrets.warehouse_password,
            "schema": "warehouse",
        }
        assert env["CRM_WAREHOUSE_ENV"] == "staging"
        assert env["SANDBOX"] == "1001"

    def test_no_secret_in_any_argument(self, secrets: secret_files.Secrets) -> None:
        env = airflow_parts.environment(StackSettings(), PORTS, secrets, {})
        table = airflow_parts.processes(PORTS, env)
        words = " ".join(word for each in table for word in each.argv)
        assert not [each for each in vars(secrets).values() if each in words]
        assert secrets.fernet_key not in repr(table)

    def test_the_receiver_gets_connections_and_no_key_of_airflows(
        self, secrets: secret_files.Secrets, tmp_path: Path
    ) -> None:
        caller = {
            "PATH": "/bin",
            "AIRFLOW_CONN_HUBSPOT_DEFAULT": "{}",
            "AIRFLOW_VAR_X": "1",
        }
        settings = StackSettings(var=tmp_path)
        env = airflow_parts.environment(settings, PORTS, secrets, caller)
        table = airflow_parts.processes(PORTS, env)
        receiver = next(each for each in table if each.name == "receiver")
        assert receiver.env.keys() == {
            "PATH",
            "AIRFLOW_CONN_CRM_WAREHOUSE",
            "AIRFLOW_CONN_HUBSPOT_DEFAULT",
            "CRM_WAREHOUSE_CONNECTIONS",
            "CRM_WAREHOUSE_ENV",
            "CRM_WAREHOUSE_SEALING_KEY",
            "PYTHONUNBUFFERED",
            "HOST",
            "PORT",
        }
        assert receiver.env["PORT"] == "1004"
        assert receiver.health
        assert receiver.health.url == "http://127.0.0.1:1004/readyz"
        sealed = str(tmp_path / "connections.sealed")
        assert receiver.env["CRM_WAREHOUSE_CONNECTIONS"] == sealed


class TestPorts:
    def test_taken_ones_are_passed_over_and_none_is_given_twice(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = holder.getsockname()[1]
            settings = StackSettings(
                preferred_ports={"postgres": 1, "ui": taken, "execution": taken}
            )
            chosen = choose_ports(settings, State(), 5)
        assert chosen["postgres"] == 5
        assert taken < chosen["ui"] < chosen["execution"]

    def test_a_fixed_one_that_is_taken_is_an_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = holder.getsockname()[1]
            settings = StackSettings(fixed_ports={"ui": taken})
            with pytest.raises(StackError, match=f"Port {taken} of part ui is taken"):
                choose_ports(settings, State(), 5)

    def test_running_parts_keep_theirs_and_new_ones_get_one(self) -> None:
        part = subprocess.Popen(["sleep", "60"])
        try:
            alive = PartState("api-core", "digest", Identity.of(part.pid), "healthy")
            former = State(ports=PORTS, parts=[alive])
            assert choose_ports(StackSettings(), former, 1003) == PORTS
            former.ports = {name: PORTS[name] for name in ("ui", "execution")}
            former.ports["postgres"] = 1003
            grown = choose_ports(StackSettings(), former, 1003)
            assert grown == {**PORTS, "receiver": grown["receiver"]}
            assert grown["receiver"] >= 8090
        finally:
            part.kill()
            part.wait()
        assert choose_ports(StackSettings(), former, 1003)["ui"] != PORTS["ui"]


def test_a_process_with_another_environment_is_another_process() -> None:
    one = Process("a", ("run",), {"X": "1"})
    assert one.digest() == Process("a", ("run",), {"X": "1"}).digest()
    assert one.digest() != Process("a", ("run",), {"X": "2"}).digest()
    assert one.digest() != Process("a", ("run", "-v"), {"X": "1"}).digest()


def test_folders_of_another_user_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StackSettings(var=tmp_path / "var")
    settings.make_folders()
    assert settings.logs.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)
    with pytest.raises(StackError, match="another user began this stack"):
        settings.make_folders()


def test_the_committed_configuration_holds_no_secret() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "airflow.cfg")
    keys = {name for section in parser.sections() for name in parser[section]}
    assert not keys & {"fernet_key", "jwt_secret", "secret_key", "sql_alchemy_conn"}
    bundles = json.loads(parser["dag_processor"]["dag_bundle_config_list"])
    assert bundles[0]["kwargs"] == {"path": "$AIRFLOW_HOME"}
    timeout = parser["scheduler"]["task_instance_heartbeat_timeout"]
    assert int(timeout) <= 30
