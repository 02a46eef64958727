"""Disordered CIFs as they are published: each is counted, or refused with the reason and the remedy."""

import time
from functools import cache
from pathlib import Path

import pytest

from disolyte.enumeration import OrderingSpace
from disolyte.errors import CompositionError, DisolyteError, StructureError
from disolyte.systems.structure_files import read_structure_file

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "obelix" / "cif"
FILES = sorted(FOLDER.glob("*.cif"))


@cache
def structures():
    return {file.name: read_structure_file(file) for file in FILES}


pytestmark = pytest.mark.skipif(not FILES, reason="the measured structures are not here")


def amounts(structure, factor=1):
    return {name: amount * factor for name, amount in structure.composition.element_composition.items()}


@pytest.mark.parametrize("rounding", ["refuse", "nearest"])
def test_each_is_counted_or_refused_with_a_remedy(rounding):
    outcomes = {"counted": 0, "refused": 0, "ordered": 0}
    for name, structure in structures().items():
        started = time.perf_counter()
        try:
            space = OrderingSpace.from_structure(structure, rounding=rounding)
            assert 1 <= space.n_distinct <= space.n_raw, name
            assert space.n_distinct * space.group_order >= space.n_raw, name
        except CompositionError as error:
            assert rounding == "refuse", name
            assert "nearest realisable" in str(error), name  # noqa: PT017
            assert "Supercells of the input cell that would do" in str(error) or "No supercell" in str(error), name  # noqa: PT017
            outcomes["refused"] += 1
        except StructureError as error:
            assert structure.is_ordered, f"{name}: {error}"  # noqa: PT017
            outcomes["ordered"] += 1
        else:
            check_occupancies(name, structure, space)
            outcomes["counted"] += 1
        assert time.perf_counter() - started < 60, name
    assert sum(outcomes.values()) == len(FILES)
    assert outcomes["counted"] > 0
    assert (outcomes["refused"] > 0) == (rounding == "refuse")


def check_occupancies(name, structure, space):
    """No occupancy is changed without a word."""
    expected = amounts(structure)
    found = amounts(space.to_structure(space.sample_orderings(1).occupations[0]))
    same = all(abs(found.get(key, 0) - value) < 1e-6 for key, value in expected.items())
    assert same or space.occupancy_changes, name


def test_suggested_supercells_do_hold_the_occupancies():
    checked = 0
    for name, structure in list(structures().items())[::3]:
        try:
            OrderingSpace.from_structure(structure)
        except CompositionError as error:
            message = str(error)
            if "would do: " not in message:
                continue
            first = message.split("would do: ")[1].split(",")[0].split(" ")[0]
            supercell = tuple(int(part) for part in first.split("×"))
            if len(structure) * supercell[0] * supercell[1] * supercell[2] > 600:
                continue
            assert OrderingSpace.from_structure(structure, supercell).n_distinct > 1, name
            checked += 1
        except DisolyteError:
            continue
    assert checked >= 3


@pytest.mark.slow
def test_orderings_of_low_energy_of_each():
    """Where charges can be guessed, the rounded cell yields distinct orderings."""
    ranked = 0
    for name, structure in list(structures().items())[::12]:
        try:
            space = OrderingSpace.from_structure(structure, rounding="nearest")
            lowest = space.lowest_energy(20)
        except DisolyteError as error:
            assert str(error), name  # noqa: PT017
            continue
        assert len({row.tobytes() for row in lowest.occupations}) == min(20, space.n_distinct), name
        ranked += 1
    assert ranked >= 4
