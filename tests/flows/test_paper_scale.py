"""The ready files of the published protocol: they make flows, and hold the published numbers."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jobflow import Flow
from monty.json import MontyDecoder, MontyEncoder

from disolyte.diffusion.makers import MechanismMaker
from disolyte.flows.costs import plan_flow
from disolyte.systems import get_system

FILES = Path(__file__).parents[2] / "tutorials" / "paper_scale"
if not FILES.is_dir():
    pytest.skip("the ready files are not part of the installed package", allow_module_level=True)
sys.path.insert(0, str(FILES))
makers = importlib.import_module("makers")
after = importlib.import_module("after")


@pytest.mark.parametrize("system", ["nasicon", "lpsgo", "liybc"])
def test_flow_of_each_system(system):
    maker = makers.flow_maker(system)
    text = json.dumps(maker, cls=MontyEncoder)
    assert json.dumps(json.loads(text, cls=MontyDecoder), cls=MontyEncoder) == text
    flow = maker.make(get_system(system))
    jobs = {jobs.name: jobs for jobs in plan_flow(flow).jobs}
    assert jobs["SCAN static"].n_jobs == 2500
    assert jobs["enumerate orderings"].n_jobs == len(get_system(system).points())
    schedule = maker.diffusion_maker.schedule
    assert [schedule.lengths.length_ps(t) for t in (700.0, 800.0)] == [1000.0, 500.0]
    assert schedule.thermostat == "berendsen"
    mechanisms = [job for job, _ in flow.iterflow() if isinstance(job.maker, MechanismMaker)]
    assert mechanisms
    for job in mechanisms:  # without the host there are no Wyckoff positions to name the sites
        assert not job.function_kwargs["host"].is_ordered


def test_flows_after_training():
    state = SimpleNamespace(structure=None)
    flows = [
        after.learning_curve(None, None),
        after.monte_carlo_phases(None),
        after.held_out_phases(None),
        after.scratch_against_finetuned(None, None, SimpleNamespace(ground_states=[state])),
    ]
    assert all(isinstance(flow, Flow) for flow in flows)
    assert [len(list(flow.iterflow())) for flow in flows] == [1, 3 + 4 * 2, 3 * 5, 2]
