"""The services of docker-compose.yaml as plain processes of this machine.

What a container would see at fixed places is put into a folder, and each place, host
and port in commands, settings, secrets and checks is rewritten to it. The rest, the
commands, variables, secrets, order and health checks, is what Compose would use.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from include.local_stack.ports import choose
from include.local_stack.postgres import Postgres
from tests.proof.compose import ROOT, argv_of, compose, environment_of, image

#: Ports inside the containers -> where the search for one of this machine begins, below
#: those that outgoing connections take.
_PORTS = {
    "8080": 27080,  # api-core
    "8081": 27081,  # nginx's health
    "8088": 27088,  # nginx with plain.conf
    "8090": 27090,  # receiver
    "8180": 27180,  # api-execution
    "8443": 27443,  # nginx with tls.conf
}
_HOSTS = r"(?:postgres|api-execution|api-core|receiver|0\.0\.0\.0|127\.0\.0\.1)"
#: As docker/make-secrets writes it into the warehouse's connection.
_CONNECTION = '"host": "postgres", "port": 5432'
_HEALTHY_SECONDS = 300
_GRACE_SECONDS = 60


def install(folder: Path, requirements: Path, plugins: Path) -> None:
    """Make a virtual environment as a Dockerfile's first stage does."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "-q",
        "--python",
        folder / "bin" / "python",
    ]
    command += ["--require-hashes", "--only-binary", ":all:", "-r", requirements]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "crm_warehouse.pth").write_text(f"{plugins}\n", "utf-8")


class Containers:
    """All services of one environment, until ``stop``.

    Args:
        folder: Empty; may be read by everybody.
        environment: ``dev`` | ``staging`` | ``prod``.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        self._folder = folder
        self._services: dict[str, Any] = compose(environment)["services"]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._built_files: dict[str, set[Path]] = {}
        self._files: list[IO[bytes]] = []
        self.secrets = folder / "secrets"
        self.ports: dict[str, int] = {}
        for inside, first in _PORTS.items():
            taken = frozenset(self.ports.values())
            self.ports[inside] = choose("a service", first, taken=taken)
        subprocess.run([ROOT / "docker" / "make-secrets", self.secrets], check=True)
        self.postgres = Postgres(
            folder / "postgres",
            {"postgres": self._secret("postgres_password")},
            preferred_port=25632,
            settings=dict(
                word.removeprefix("--").split("=", 1)
                for word in self._services["postgres"]["command"][1:]
            ),
        )
        for name, lock in (
            ("airflow", "requirements-fab.txt"),
            ("receiver", "webhook_receiver/requirements.txt"),
        ):
            self._build(name)
            install(folder / name / "venv", ROOT / lock, self.tree(name) / "plugins")

    def tree(self, name: str) -> Path:
        """What an image has copied of the repository."""
        return self._folder / name / "tree"

    def written(self, name: str) -> list[str]:
        """Files in an image's tree that its build did not put there."""
        return sorted(str(path) for path in self._all(name) - self._built_files[name])

    def url(self, port: str, scheme: str = "http") -> str:
        """Where a port of the containers is on this machine."""
        return f"{scheme}://localhost:{self.ports[port]}"

    def up(self, names: Iterable[str] | None = None) -> None:
        """Start the services in the order that their conditions ask for."""
        for name in names or self._services:
            self._up(name)

    def stop(self) -> None:
        """End all of them, the database last."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            self._end(process)
        for file in self._files:
            file.close()
        self.postgres.stop()

    def run(self, name: str, command: list[str], text: str = "") -> str:
        """Run a command as ``docker compose exec`` would, through the entry script.

        Returns:
            Both outputs.
        """
        done = subprocess.run(
            self._here(name, ["docker/with-secrets", *command]),
            cwd=self._cwd(name),
            env=self._environment(name),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            start_new_session=True,  # no terminal to ask for a password
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def healthy(self, name: str) -> bool:
        """Whether the service's own check succeeds now."""
        check = self._services[name]["healthcheck"]["test"]
        assert check[0] == "CMD"
        done = subprocess.run(
            self._here(name, check[1:]),
            cwd=self._cwd(name),
            env=self._environment(name),
            capture_output=True,
            check=False,
            timeout=30,
        )
        return done.returncode == 0

    def log(self, name: str) -> str:
        """What the service has printed."""
        return (self._folder / f"{name}.log").read_text("utf-8", "replace")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        # As Docker does: a scheduler loses the signal that meets it in a callback.
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _up(self, name: str) -> None:
        if name in self._processes:
            return
        service = self._services[name]
        for other, how in service.get("depends_on", {}).items():
            self._up(other)
            self._wait(other, how["condition"])
        began = time.monotonic()
        if name == "postgres":
            self._start_postgres()
            process = subprocess.Popen(["true"])
        else:
            process = self._start(name)
        self._processes[name] = process
        check = "healthcheck" in service
        self._wait(
            name, "service_healthy" if check else "service_completed_successfully"
        )
        print(f"{name}: {'healthy' if check else 'done'}", end=" ")
        print(f"after {time.monotonic() - began:.1f} s", flush=True)

    def _wait(self, name: str, condition: str) -> None:
        process = self._processes[name]
        if condition == "service_completed_successfully":
            assert process.wait(_HEALTHY_SECONDS) == 0, self.log(name)
            return
        assert condition == "service_healthy"
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while not self.healthy(name):
            alive = name == "postgres" or process.poll() is None
            assert alive, self.log(name)
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.5)

    def _start_postgres(self) -> None:
        self.postgres.start()
        folder = self._container("postgres")
        script = ROOT / "docker" / "postgres" / "databases.sql"
        text = script.read_text("utf-8").replace("/run/secrets", f"{folder}/secrets")
        subprocess.run(
            [self.postgres.program("psql"), "-q", "-v", "ON_ERROR_STOP=1"],
            env={
                **self._environment("postgres"),
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.postgres.port),
                "PGUSER": "postgres",
                "PGPASSWORD": self._secret("postgres_password"),
            },
            input=text.encode(),
            check=True,
        )

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{name}.log").open("wb")
        self._files.append(log)
        command = self._here(name, argv_of(self._services[name]))
        if name == "nginx":
            command += ["-p", str(self._nginx()), "-c", "nginx.conf"]
        return subprocess.Popen(
            command,
            cwd=self._cwd(name),
            env=self._environment(name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _nginx(self) -> Path:
        folder = self._container("nginx")
        for volume in self._services["nginx"]["volumes"][:2]:
            source, target, _ = volume.split(":")
            text = (ROOT / source).read_text("utf-8")
            text = re.sub(r"listen (\d+)(?=[ ;])", r"listen 127.0.0.1:\1", text)
            (folder / Path(target).name).write_text(self._rewritten("nginx", text))
        return folder

    def _all(self, name: str) -> set[Path]:
        return {path for path in self.tree(name).rglob("*") if path.is_file()}

    def _build(self, name: str) -> None:
        tree = self.tree(name)
        leave = shutil.ignore_patterns("__pycache__")
        for sources, target in image(ROOT / "docker" / f"{name}.Dockerfile").copies:
            for source in sources:
                found = ROOT / source
                if found.is_dir():
                    shutil.copytree(found, tree / target, ignore=leave)
                else:
                    (tree / target).mkdir(parents=True, exist_ok=True)
                    shutil.copy2(found, tree / target / found.name)
        script = tree / "docker" / "with-secrets"
        text = script.read_text("utf-8").replace("/run/secrets", '"$CONTAINER"/secrets')
        script.write_text(text.replace("/tmp/", '"$CONTAINER"/tmp/'), "utf-8")
        self._built_files[name] = self._all(name)

    def _container(self, name: str) -> Path:
        """A container's own places, with the secrets it is given and no others."""
        folder = self._folder / f"container-{name}"
        if not folder.exists():
            (folder / "tmp").mkdir(parents=True)
            (folder / "secrets").mkdir()
            for secret in self._services[name].get("secrets", []):
                text = self._rewritten(name, self._secret(secret))
                (folder / "secrets" / secret).write_text(text, "utf-8")
        return folder

    def _secret(self, name: str) -> str:
        return (self.secrets / name).read_text("utf-8")

    def _built(self, name: str) -> str:
        return "receiver" if name == "receiver" else "airflow"

    def _cwd(self, name: str) -> Path:
        built = "build" in self._services[name]
        return self.tree(self._built(name)) if built else self._container(name)

    def _environment(self, name: str) -> dict[str, str]:
        container = self._container(name)
        found = environment_of(self._services[name])
        path = found.pop("PATH", "/usr/sbin:/usr/bin:/bin")
        programs = self.postgres.program("psql").parent
        return {
            **{key: self._rewritten(name, value) for key, value in found.items()},
            "PATH": f"{self._rewritten(name, path)}:/usr/sbin:{programs}",
            "CONTAINER": str(container),
        }

    def _here(self, name: str, words: list[str]) -> list[str]:
        here = [self._rewritten(name, word) for word in words]
        if name == "postgres":
            here.append(f"--port={self.postgres.port}")
        if "build" in self._services[name]:
            first = shutil.which(here[0], path=self._environment(name)["PATH"])
            here[0] = first or str(self._cwd(name) / here[0])
        return here

    def _rewritten(self, name: str, text: str) -> str:
        """A text with this machine's places, hosts and ports."""
        folder = self._folder
        if text in self.ports:
            return str(self.ports[text])
        container = folder / f"container-{name}"
        places = {
            "/opt/crm-warehouse": str(self.tree(self._built(name))),
            "/opt/venv": str(folder / self._built(name) / "venv"),
            "/var/log/airflow": str(folder / "logs"),
            "/var/drop": str(folder / "drop"),
            "/run/secrets": str(container / "secrets"),
            "/etc/nginx/tls": str(self.secrets / "tls"),
            "/tmp": str(container / "tmp"),
        }

        def other(found: re.Match[str]) -> str:
            word = found.group()
            if word in places:
                return places[word]
            if word == _CONNECTION:
                return f'"host": "127.0.0.1", "port": {self.postgres.port}'
            if word == "0.0.0.0":
                return "127.0.0.1"
            port = word.rpartition(":")[2]
            here = self.postgres.port if port == "5432" else self.ports[port]
            return f"127.0.0.1:{here}"

        ports = "|".join([*self.ports, "5432"])
        pattern = "|".join(
            [
                *map(re.escape, places),
                _CONNECTION,
                rf"{_HOSTS}:(?:{ports})\b",
                r"0\.0\.0\.0",
            ]
        )
        return re.sub(pattern, other, text)
