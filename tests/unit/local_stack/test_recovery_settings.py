"""How soon Airflow misses what died, as airflow.cfg has it."""

import configparser

import pytest

from include.local_stack.settings import ROOT

#: Airflow's own: a task, a scheduler and a triggerer say so often that they live.
HEARTBEAT = 5
#: What an API server needed on two busy cores from its death to its first answer.
RESTART = 11
#: Recovery from any one death, see docs/proof.md.
BOUND = 60


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "airflow.cfg")
    sections = ("scheduler", "triggerer", "workers")
    return {key: float(parser[s][key]) for s in sections for key in parser[s]}


def test_a_killed_task_is_missed_in_half_the_bound(seconds: dict[str, float]) -> None:
    silent = seconds["task_instance_heartbeat_timeout"]
    looked_for = seconds["task_instance_heartbeat_timeout_detection_interval"]
    assert silent + looked_for <= BOUND / 2


def test_what_a_killed_scheduler_had_is_taken_over_in_half_the_bound(
    seconds: dict[str, float],
) -> None:
    silent = seconds["scheduler_health_check_threshold"]
    assert silent + seconds["orphaned_tasks_check_interval"] <= BOUND / 2
    assert seconds["triggerer_health_check_threshold"] <= BOUND / 2


@pytest.mark.parametrize(
    "name",
    [
        "task_instance_heartbeat_timeout",
        "scheduler_health_check_threshold",
        "triggerer_health_check_threshold",
    ],
)
def test_three_heartbeats_fit_into_what_is_called_silence(
    seconds: dict[str, float], name: str
) -> None:
    assert seconds[name] >= 3 * HEARTBEAT


def test_a_restart_of_the_api_server_costs_no_living_task(
    seconds: dict[str, float],
) -> None:
    silent = HEARTBEAT + RESTART + seconds["execution_api_retry_wait_max"]
    assert silent < seconds["task_instance_heartbeat_timeout"]
    # Pauses are one second at least, so together they last longer than the restart.
    assert seconds["execution_api_retries"] - 1 >= RESTART
