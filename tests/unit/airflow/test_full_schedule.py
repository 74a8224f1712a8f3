from datetime import UTC, datetime, timedelta

import pendulum
import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.timetables.base import DataInterval
from airflow.timetables.trigger import MultipleCronTriggerTimetable
from airflow.utils.types import DagRunType

from crm_warehouse.operators.schedule import EarlierRun, full_is_due

SUNDAY_3_10 = "10 3 * * 0"
DUE = datetime(2026, 3, 1, 3, 10, tzinfo=UTC)


def scheduled(moment: datetime) -> EarlierRun:
    return EarlierRun(moment, scheduled=True)


def by_hand(moment: datetime) -> EarlierRun:
    return EarlierRun(moment, scheduled=False)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def test_a_run_at_the_time_of_the_full_cron_is_full() -> None:
    assert full_is_due(SUNDAY_3_10, DUE, [scheduled(DUE - minutes(10))])


def test_full_wins_when_both_crons_name_the_same_minute() -> None:
    moment = datetime(2026, 3, 2, 4, 20, tzinfo=UTC)

    assert full_is_due("20 4 * * *", moment, [scheduled(moment - minutes(60))])


def test_a_run_at_any_other_time_is_not() -> None:
    moment = DUE + minutes(20)

    assert not full_is_due(SUNDAY_3_10, moment, [scheduled(moment - minutes(15))])


def test_a_time_dropped_while_a_run_was_at_work_is_made_up_for() -> None:
    # The run of 3:00 took until 3:16, so Airflow starts 3:15 next and forgets 3:10.
    assert full_is_due(SUNDAY_3_10, DUE + minutes(5), [scheduled(DUE - minutes(10))])


def test_it_is_made_up_for_once_only() -> None:
    earlier = [scheduled(DUE + minutes(5)), scheduled(DUE - minutes(10))]

    assert not full_is_due(SUNDAY_3_10, DUE + minutes(20), earlier)


def test_a_run_by_hand_in_between_does_not_use_it_up() -> None:
    earlier = [by_hand(DUE + minutes(2)), scheduled(DUE - minutes(10))]

    assert full_is_due(SUNDAY_3_10, DUE + minutes(5), earlier)


def test_a_new_dag_owes_no_full_run() -> None:
    assert not full_is_due(SUNDAY_3_10, DUE + minutes(5), [])


def test_a_run_by_hand_before_the_first_scheduled_one_changes_nothing() -> None:
    assert not full_is_due(SUNDAY_3_10, DUE + minutes(5), [by_hand(DUE + minutes(1))])


@pytest.mark.parametrize("cron", ["5-59/15 * * * *", "20 4 * * *", "0 0 1,15 * 5"])
def test_airflow_and_we_read_a_cron_alike(cron: str) -> None:
    timetable = MultipleCronTriggerTimetable(cron, timezone="UTC")._timetables[0]
    moment = datetime(2026, 2, 27, 23, 59, tzinfo=UTC)

    for _ in range(20):
        moment = timetable._get_next(pendulum.instance(moment))
        assert full_is_due(cron, moment, [])
        assert not full_is_due(cron, moment + minutes(1), [scheduled(moment)])


def test_scheduled_runs_are_known_by_their_run_id() -> None:
    timetable = MultipleCronTriggerTimetable("@daily", timezone="UTC")
    run_id = timetable.generate_run_id(
        run_type=DagRunType.SCHEDULED,
        run_after=pendulum.instance(DUE),
        data_interval=DataInterval.exact(pendulum.instance(DUE)),
    )

    assert run_id.startswith("scheduled__")
    assert hasattr(RuntimeTaskInstance, "get_previous_ti")
