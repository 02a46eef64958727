"""How far a campaign is, from the states of its jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from disolyte.workers import status
from disolyte.workers.folder import StageCost
from disolyte.workers.jobs import JobState

COSTS = {"sampling": StageCost(n_jobs=4, seconds=400.0), "diffusion": StageCost(n_jobs=2, seconds=1000.0)}


def jobs(**states):
    flat = [(stage, state) for stage, some in states.items() for state in some]
    return [JobState(number, stage, state, stage, None) for number, (stage, state) in enumerate(flat)]


def test_stages_count_what_is_and_what_is_to_come():
    found = status.count_stages(
        jobs(sampling=["COMPLETED", "COMPLETED", "RUNNING", "FIZZLED", "READY"], labelling=["DEFUSED"]),
        COSTS,
        {"sampling": 3},
    )
    assert [stage.stage for stage in found] == ["sampling", "labelling", "diffusion"]
    sampling, labelling, diffusion = found
    assert (sampling.n_done, sampling.n_running, sampling.n_failed, sampling.n_waiting) == (2, 1, 1, 1)
    assert (sampling.n_expected, sampling.n_quarantined) == (5, 3)
    assert labelling.n_cancelled == 1
    assert diffusion.n_expected == 2


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "empty"),
        (["COMPLETED"], "done"),
        (["COMPLETED", "FIZZLED", "WAITING"], "failed"),
        (["RESERVED"], "running"),
    ],
)
def test_state_of_the_whole(states, expected):
    assert status._state(jobs(sampling=states)) == expected


def test_time_left_goes_by_the_measured_pace():
    """Sampling took half of what was planned: so will, it is said, the rest of it and diffusion."""
    stages = status.count_stages(jobs(sampling=["COMPLETED"] * 2 + ["RUNNING"] * 2), COSTS, {})
    left = status._seconds_left(stages, COSTS, {"sampling": 50.0})
    assert left == pytest.approx((2 * 50.0 + 1000.0 * 0.5) / 2)
    assert status._seconds_left(stages[1:], COSTS, {}) is None, "no worker runs"
    unplanned = status.count_stages(jobs(labelling=["RUNNING", "READY"]), {}, {})
    assert status._seconds_left(unplanned, {}, {}) is None, "nothing is known of its cost"
    assert status._seconds_left(unplanned, {}, {"labelling": 5.0}) == pytest.approx(10.0)


def test_rate_is_by_the_hour():
    now = datetime.now(UTC)
    ends = {number: (now - timedelta(minutes=number), 60.0) for number in range(10)}
    assert status._rate(ends) == pytest.approx(60.0, rel=0.01)
    assert status._rate({}) == 0.0
