"""Each composition is enumerated in the supercells of its system that can hold it."""

import pytest

from disolyte.flows.training_set import TrainingSetFlowMaker
from disolyte.systems import available_systems, disordered_structure, get_system


@pytest.mark.parametrize("key", available_systems())
def test_every_composition_has_its_cells(key):
    system = get_system(key)
    flow = TrainingSetFlowMaker().make(system)
    jobs = [job for job in flow.jobs if job.function_kwargs.get("system_key") == key]
    assert len(jobs) == len(system.points())
    for job, point in zip(jobs, system.points(), strict=True):
        cells = job.function_kwargs["supercells"]
        assert cells
        assert cells[-1] == system.supercells[-1]
        amounts = disordered_structure(system, point).composition
        for cell in cells:
            numbers = [amount * cell[0] * cell[1] * cell[2] for amount in amounts.values()]
            assert numbers == pytest.approx([round(number) for number in numbers], abs=1e-6)
