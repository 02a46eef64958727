"""Each composition is enumerated in the supercells of its system that can hold it."""

import pytest
from pymatgen.core import Lattice, Structure

from disolyte.errors import CompositionError
from disolyte.flows.training_set import TrainingSetFlowMaker
from disolyte.systems import DisorderedSystem, available_systems, disordered_structure, get_system

ORDERED = ["li3ps4-gamma", "li4geo4-cmcm"]
"""Phases of one ordering, which no training set can be made of alone."""


@pytest.mark.parametrize("key", ORDERED)
def test_ordered_phases_are_no_training_set(key):
    with pytest.raises(CompositionError, match="have [12] distinct orderings"):
        TrainingSetFlowMaker().make(get_system(key))


@pytest.mark.parametrize("key", [key for key in available_systems() if key not in ORDERED])
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


@pytest.mark.parametrize("asked", [["Li3InCl6"], ["Li3InCl6", "Li3In0.5Y0.5Br3Cl3"]])
def test_missing_end_members_are_told_before_there_is_a_job(asked):
    with pytest.raises(CompositionError, match=r"end members \[.*'Li3YBr6'.*\] of 'liybc' are not among"):
        TrainingSetFlowMaker().make(get_system("liybc").restricted_to(asked))


def test_too_few_orderings_are_refused_before_there_is_a_job():
    """Found at the end, when all labels are paid for, it would be too late: each split takes a family."""
    parent = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.6), [{"Na": 0.5, "Li": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    system = DisorderedSystem.from_disordered_structure(
        parent, mobile_ion="Na", oxidation_states={"Na": 1, "Li": 1, "Cl": -1}
    )
    with pytest.raises(
        CompositionError, match=r"1 distinct orderings .* 1×1×1; .* at least 3: take a larger supercell"
    ):
        TrainingSetFlowMaker().make(system)
    assert TrainingSetFlowMaker().make(system.with_supercells([(1, 1, 2)])).jobs
