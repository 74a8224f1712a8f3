"""The processes of a running stack that can die, and how one sees them again."""

from pathlib import Path

from include.local_stack.procfs import Identity
from include.local_stack.state import State

#: Victim -> what it is, in words.
VICTIMS = {
    "worker": "worker of the executor, which watches over a task",
    "runner": "process that runs a task",
    "scheduler": "scheduler, and with it all workers and tasks",
    "triggerer": "triggerer",
    "dag-processor": "DAG processor",
    "api-execution": "API server for tasks",
    "api-core": "API server for people",
    "postgres": "PostgreSQL",
    "receiver": "receiver",
    "supervisor": "supervisor of the stack",
}


def find(state: State, victim: str) -> list[Identity]:
    """Processes that are this victim now; several workers and runners may be."""
    if victim == "supervisor":
        return [state.supervisor] if state.supervisor else []
    if victim not in ("worker", "runner"):
        part = next(each for each in state.parts if each.name == victim)
        return [part.identity] if part.identity and part.identity.alive() else []
    scheduler = next(each for each in state.parts if each.name == "scheduler")
    if scheduler.identity is None:
        return []
    workers = set(_children(scheduler.identity.pid))
    # A worker forks a runner for the time of its task.
    pairs = [(worker, runner) for worker in workers for runner in _children(worker)]
    pids = [worker if victim == "worker" else runner for worker, runner in pairs]
    return [identity for pid in pids if (identity := Identity.of(pid))]


def new_and_healthy(state: State, killed: Identity) -> bool:
    """Whether every part is healthy, and the killed one another process."""
    if not state.supervised or state.supervisor == killed:
        return False
    return not killed.alive() and all(
        part.alive and part.health == "healthy" and part.identity != killed
        for part in state.parts
    )


def _children(pid: int) -> list[int]:
    folder = Path(f"/proc/{pid}/task")
    try:
        # One thread forks, but any may.
        texts = [(task / "children").read_text() for task in folder.iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for text in texts for word in text.split()]
