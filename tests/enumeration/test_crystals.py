"""The same crystal in several supercells."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from disolyte.enumeration import OrderingSpace
from disolyte.enumeration.crystals import find_repeated


def enumerated(space):
    return np.concatenate([batch.occupations for batch in space.iter_orderings()])


@pytest.mark.parametrize("supercell", [(1, 1, 2), (1, 1, 3), [[1, 1, 0], [1, -1, 0], [0, 0, 1]]])
def test_as_many_crystals_as_the_structure_matcher_tells_apart(parents, supercell):
    space = OrderingSpace.from_structure(parents["rock_salt"](), supercell)
    rows = enumerated(space)
    matcher = StructureMatcher(scale=False, primitive_cell=True)
    groups = matcher.group_structures([space.to_structure(row) for row in rows])
    assert len(set(space.crystal_keys(rows))) == len(groups)


def test_every_crystal_of_a_cell_comes_back_in_its_multiples(parents):
    keys = {}
    for supercell in [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 2, 2)]:
        space = OrderingSpace.from_structure(parents["rock_salt"](), supercell)
        keys[supercell] = set(space.crystal_keys(enumerated(space)))
    assert keys[1, 1, 1] < keys[1, 1, 2] < keys[1, 2, 2]
    assert keys[1, 1, 2] == keys[2, 1, 1]


def test_keys_do_not_depend_on_the_representative(parents):
    space = OrderingSpace.from_structure(parents["rutile"](), (2, 2, 1))
    rng = np.random.default_rng(0)
    rows = enumerated(space)
    permutations = space.cell.symmetry.permutations
    images = np.stack([row[permutations[rng.integers(len(permutations))]] for row in rows])
    assert space.crystal_keys(images) == space.crystal_keys(rows)


def test_repetitions_are_found_across_cells(parents):
    spaces = [OrderingSpace.from_structure(parents["rock_salt"](), cell) for cell in [(1, 1, 2), (2, 1, 1), (1, 2, 2)]]
    rows = [enumerated(space) for space in spaces]
    first, second, third = find_repeated([space.cell for space in spaces], rows)
    assert not first.any()
    assert second.all()
    # Each of the seven crystals of the smaller cell lies along both axes of the larger one, or along one only.
    assert 7 <= third.sum() < len(third)
    kept = [row for row, drop in zip(rows[2], third, strict=True) if not drop]
    matcher = StructureMatcher(scale=False, primitive_cell=True)
    small = [spaces[0].to_structure(row) for row in rows[0]]
    for row in kept[:20]:
        structure = spaces[2].to_structure(row)
        assert not any(matcher.fit(structure, other) for other in small)
