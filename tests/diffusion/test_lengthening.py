"""Runs in segments: unbroken positions, early stop, longer runs, and going on after a kill."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from jobflow import run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from disolyte.diffusion import LengthRule, MDSchedule
from disolyte.diffusion.lengthening import LengthenedRun, run_to_target
from disolyte.diffusion.makers import DiffusionMaker, DiffusionMDMaker, MechanismMaker
from disolyte.diffusion.schedule import ErrorTarget
from disolyte.diffusion.simulation import collect_run
from disolyte.dynamics import run_md
from disolyte.models import SHIPPED, ModelSource

RULE = LengthRule.uniform(0.2, 0.05)
TARGET = ErrorTarget(relative_error=0.2, segment_share=0.5, max_length_factor=2.0)


@pytest.fixture
def simulate(tmp_path):
    """Two temperatures of solid argon; returns the runs and the number of systems in each segment."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat((2, 2, 2))
    schedule = MDSchedule(lengths=RULE, time_step_fs=2.0, record_interval_fs=10.0, target=TARGET)
    protocols = [schedule.protocol(t, 0, "Ar") for t in (40.0, 60.0)]

    def run(is_met, folder="runs"):
        calls = []

        def advance(segment, systems, pieces):
            calls.append(len(systems))
            calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0)
            return run_md(systems, pieces, calculator, tmp_path / folder / f"segment-{segment:03d}")

        return run_to_target(atoms, protocols, TARGET, advance, is_met), calls

    return run


def test_runs_go_on_until_their_target_is_met(simulate):
    def is_met(runs):
        return len(runs[0].segments) >= (1 if runs[0].last.protocol.temperature_k == 40.0 else 3)

    runs, calls = simulate(is_met)
    assert calls == [2, 1, 1]
    assert [len(run.segments) for run in runs] == [1, 3]
    assert [run.last.protocol.n_steps for run in runs] == [50, 50]


def test_the_longest_run_ends_without_the_target(simulate):
    runs, calls = simulate(lambda runs: False)
    assert calls == [2] * TARGET.max_segments == [2] * 4
    frames = collect_run(runs[0], 0.05)
    assert frames.record.n_segments == 4
    assert frames.record.n_steps == 200
    # A frame every 10 fs, from 50 to 400 fs.
    assert frames.record.n_frames == 36
    assert frames.record.verdict.completed


def test_positions_are_unbroken_where_segments_meet(simulate):
    runs, _ = simulate(lambda runs: len(runs[0].segments) == 2)
    run = runs[1]
    positions = run.joined(lambda segment: segment.positions_ang())
    assert np.allclose(np.diff(run.times_fs), 10.0)
    assert len(positions) == len(run.times_fs) == 21
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=-1).mean(axis=1)
    seam = len(run.segments[0].times_fs) - 1
    assert steps[seam] < 2 * np.median(steps)
    assert np.array_equal(run.segments[0].positions_ang()[-1], run.segments[1].positions_ang()[0])


def test_a_finished_segment_is_not_run_again(simulate, tmp_path):
    first, _ = simulate(lambda runs: len(runs[0].segments) == 1)
    walls = [run.last.wall_s for run in first]
    longer, _ = simulate(lambda runs: len(runs[0].segments) == 2)
    assert [run.segments[0].wall_s for run in longer] == walls
    assert np.array_equal(longer[0].segments[0].positions_ang(), first[0].segments[0].positions_ang())


def test_one_segment_is_the_run_itself(simulate):
    runs, _ = simulate(lambda runs: True)
    alone = LengthenedRun(runs[0].segments[:1])
    assert np.array_equal(alone.joined(lambda segment: segment.positions_ang()), alone.last.positions_ang())


def test_target_travels_in_the_makers():
    maker = DiffusionMaker(schedule=MDSchedule(target=TARGET), mechanism_maker=MechanismMaker(hub="4h"))
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    assert again == maker
    assert again.schedule.target == TARGET


def test_flow_with_a_target_and_the_mechanism(clean_dir, job_store):
    """A crystal that does not diffuse never meets its target: it runs to the longest length, and says so."""
    licl = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    maker = DiffusionMaker(
        temperatures_k=(400.0,),
        supercell=(1, 1, 1),
        schedule=MDSchedule(
            lengths=LengthRule.uniform(0.06, 0.02),
            record_interval_fs=2.0,
            target=ErrorTarget(segment_share=0.5, max_length_factor=1.5),
        ),
        md_maker=DiffusionMDMaker(foundation=ModelSource(name=SHIPPED)),
        mechanism_maker=MechanismMaker(),
    )
    flow = maker.make(licl, host=licl)
    assert [job.name for job in flow.jobs] == ["diffusion MD", "analyse transport", "analyse mechanism"]
    output = run_locally(flow, store=job_store, ensure_success=True)
    md, transport, mechanism = (output[job.uuid][1].output for job in flow.jobs)
    assert md.runs[0].record.n_segments == 3
    assert md.runs[0].record.n_frames == 36
    assert transport.verdict == "upper_limit"
    one = mechanism.at(400.0)
    assert {site.label for site in one.sites} == {"4a"}
    assert sum(site.occupancy for site in one.sites) == pytest.approx(4.0, rel=0.01)
    assert one.concert.n_jumps == 0
    assert one.paths == []
    assert one.rdf_elements == ["Cl", "Li"]
    assert mechanism.caveats == transport.caveats
