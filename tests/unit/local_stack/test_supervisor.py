import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.local_stack.health import Checker
from include.local_stack.launch import start_supervisor
from include.local_stack.orders import Orders
from include.local_stack.part import Pause
from include.local_stack.ports import choose
from include.local_stack.process import Health, Process
from include.local_stack.process_part import ProcessPart
from include.local_stack.procfs import Identity, command_line, terminate
from include.local_stack.state import PartState, State
from include.local_stack.supervisor import STOP_SECONDS

ROOT = Path(__file__).parents[3]
DEADLINE_SECONDS = 30.0

# A part with a child in a process group of its own, as a task runner has.
FAMILY = (
    "import os, subprocess, sys, time;"
    "child = subprocess.Popen(['sleep', '600'], process_group=0);"
    "print('child', child.pid, flush=True); time.sleep(600)"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(600)"
)


def python(name: str, code: str, **options: object) -> Process:
    argv = (sys.executable, "-c", code)
    return Process(name, argv, {"PATH": os.defpath}, **options)  # type: ignore[arg-type]


def sleeper(name: str) -> Process:
    return Process(name, ("sleep", "600"), {"PATH": os.defpath})


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


class Rig:
    """A stack of fake parts without PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_file = folder / "state.json"
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def start(self, *processes: Process) -> subprocess.Popen[bytes]:
        orders = Orders(
            root=ROOT,
            state=self.state_file,
            logs=self.folder,
            ports={},
            database=None,
            processes=processes,
        )
        supervisor = start_supervisor(orders)
        self.supervisors.append(supervisor)
        return supervisor

    def state(self) -> State:
        return State.load(self.state_file)

    def part(self, name: str) -> PartState:
        return next(part for part in self.state().parts if part.name == name)

    def identity(self, name: str) -> Identity:
        identity = self.part(name).identity
        assert identity
        return identity

    def ready(self, supervisor: subprocess.Popen[bytes]) -> None:
        def by_this_one() -> bool:
            state = self.state()
            own = state.supervisor and state.supervisor.pid == supervisor.pid
            return bool(own) and state.phase == "ready"

        until(by_this_one)

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    for supervisor in made.supervisors:
        supervisor.kill()
        supervisor.wait()
    left = [part.identity for part in made.state().parts if part.identity]
    terminate(left, 1.0)


def stop(supervisor: subprocess.Popen[bytes]) -> int:
    supervisor.terminate()
    return supervisor.wait(DEADLINE_SECONDS)


def test_a_killed_part_runs_again_and_the_others_are_left_alone(rig: Rig) -> None:
    rig.ready(rig.start(sleeper("one"), sleeper("two")))
    killed, other = rig.identity("one"), rig.identity("two")
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: rig.part("one").alive and rig.part("one").identity != killed)
    assert rig.part("one").restarts == 1
    assert rig.identity("two") == other
    assert rig.part("two").restarts == 0


def test_what_a_killed_part_leaves_behind_is_ended(rig: Rig) -> None:
    rig.ready(rig.start(python("family", FAMILY)))
    until(lambda: "child" in rig.log("family"))
    child = Identity.of(int(rig.log("family").split()[1]))
    assert child
    os.kill(rig.identity("family").pid, signal.SIGKILL)
    until(lambda: not child.alive())


def test_stop_ends_every_part_with_its_children_and_nothing_else(rig: Rig) -> None:
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        supervisor = rig.start(python("family", FAMILY), sleeper("two"))
        rig.ready(supervisor)
        until(lambda: "child" in rig.log("family"))
        child = Identity.of(int(rig.log("family").split()[1]))
        parts = [rig.identity("family"), rig.identity("two")]
        began = time.monotonic()
        assert stop(supervisor) == 0
        assert time.monotonic() - began < STOP_SECONDS, (
            "the child was not asked, but killed"
        )
        assert child
        assert not any(each.alive() for each in [child, *parts])
        assert bystander.poll() is None
        assert {part.health for part in rig.state().parts} == {"stopped"}
    finally:
        bystander.kill()
        bystander.wait()


def test_a_part_that_ignores_the_request_to_end_is_killed_in_time(rig: Rig) -> None:
    supervisor = rig.start(python("stubborn", STUBBORN))
    rig.ready(supervisor)
    until(lambda: "deaf" in rig.log("stubborn"))
    part = rig.identity("stubborn")
    began = time.monotonic()
    stop(supervisor)
    assert not part.alive()
    assert STOP_SECONDS <= time.monotonic() - began < 5 * STOP_SECONDS


def test_a_failing_start_says_why_and_leaves_nothing(rig: Rig) -> None:
    bad = python("bad", "raise SystemExit('the oven is cold')")
    supervisor = rig.start(sleeper("good"), bad)
    assert supervisor.wait(DEADLINE_SECONDS) == 1
    state = rig.state()
    assert state.phase == "failed"
    assert "bad ended 3 times" in state.message
    assert "the oven is cold" in state.message
    assert not any(part.alive for part in state.parts)


def test_a_missing_program_fails_the_start(rig: Rig) -> None:
    supervisor = rig.start(Process("ghost", ("/nowhere/ghost",), {}))
    assert supervisor.wait(DEADLINE_SECONDS) == 1
    assert "/nowhere/ghost" in rig.state().message


def test_a_part_that_never_answers_fails_the_start(rig: Rig) -> None:
    health = Health(f"http://127.0.0.1:{choose('nobody', 28500)}/health")
    mute = Process("mute", ("sleep", "600"), {"PATH": os.defpath}, health, 1.0)
    assert rig.start(mute).wait(DEADLINE_SECONDS) == 1
    assert "mute does not answer" in rig.state().message


def test_health_is_what_the_part_answers(rig: Rig) -> None:
    port = choose("web", 28600)
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    health = Health(f"http://127.0.0.1:{port}/pyproject.toml")
    web = Process("web", argv, {"PATH": os.defpath}, health)
    rig.ready(rig.start(web))
    os.kill(rig.identity("web").pid, signal.SIGSTOP)
    until(lambda: rig.part("web").health == "unhealthy")
    os.kill(rig.identity("web").pid, signal.SIGCONT)
    until(lambda: rig.part("web").health == "healthy")
    assert rig.part("web").restarts == 0


class TestKilledSupervisor:
    def test_its_parts_run_on_and_the_next_one_adopts_them(self, rig: Rig) -> None:
        first = rig.start(sleeper("one"), sleeper("two"))
        rig.ready(first)
        before = [rig.identity("one"), rig.identity("two")]
        first.kill()
        first.wait()
        assert all(each.alive() for each in before)
        second = rig.start(sleeper("one"), sleeper("two"))
        rig.ready(second)
        assert [rig.identity("one"), rig.identity("two")] == before
        assert stop(second) == 0
        assert not any(each.alive() for each in before)

    def test_a_part_that_is_not_on_record_does_not_start(self, tmp_path: Path) -> None:
        part = ProcessPart(sleeper("one"), tmp_path / "one.log", ROOT, None)
        part.tend(Checker())
        identity = part.state.identity
        assert identity
        until(lambda: command_line(identity.pid)[:1] == [sys.executable])
        assert part._handle
        assert part._handle.stdin
        part._handle.stdin.close()  # as when the supervisor is killed
        assert part._handle.wait(DEADLINE_SECONDS) == 0

    def test_changed_and_unknown_parts_are_ended_first(self, rig: Rig) -> None:
        first = rig.start(sleeper("gone"), sleeper("changed"))
        rig.ready(first)
        gone, changed = rig.identity("gone"), rig.identity("changed")
        first.kill()
        first.wait()
        longer = Process("changed", ("sleep", "601"), {"PATH": os.defpath})
        rig.ready(rig.start(longer))
        assert not gone.alive()
        assert not changed.alive()
        changed = rig.identity("changed")
        until(lambda: command_line(changed.pid) == ["sleep", "601"])

    def test_a_pid_that_was_given_away_is_left_alone(self, rig: Rig) -> None:
        stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            now = Identity.of(stranger.pid)
            assert now
            before = Identity(now.pid, now.start_ticks - 1, now.boot)
            part = PartState("gone", "digest", before, "healthy")
            State(phase="ready", parts=[part]).save(rig.state_file)
            supervisor = rig.start(sleeper("one"))
            rig.ready(supervisor)
            stop(supervisor)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_parts_get_their_environment_and_nothing_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "do not pass")
    code = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); "
    process = Process(
        "teller",
        (sys.executable, "-c", code + "time.sleep(600)"),
        {"PATH": os.defpath, "TOKEN": "t0ken", "LC_ALL": "C.UTF-8"},
    )
    supervisor = rig.start(process)
    rig.ready(supervisor)
    until(lambda: rig.log("teller").endswith("\n"))
    told = json.loads(rig.log("teller"))
    assert told == process.env
    files = [path for path in rig.folder.iterdir() if path.name != "teller.log"]
    assert "t0ken" not in "".join(path.read_text() for path in files)
    arguments = command_line(supervisor.pid)
    until(lambda: command_line(rig.identity("teller").pid) == list(process.argv))
    assert arguments[1:] == ["-m", "include.local_stack.supervisor"]


def test_state_and_logs_are_private(rig: Rig) -> None:
    rig.ready(rig.start(sleeper("one")))
    for name in ("state.json", "one.log", "supervisor.log"):
        assert (rig.folder / name).stat().st_mode & 0o777 == 0o600


def test_pauses_grow_and_a_steady_life_resets_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("include.local_stack.part.time.monotonic", lambda: clock[0])
    pause = Pause()
    waits = []
    for lived in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 61.0):
        pause.after_death(lived)
        begun = clock[0]
        while not pause.over:
            clock[0] += 1.0
        waits.append(clock[0] - begun)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 0]
