"""Structures and arguments that cannot be used, and those that are easily misread."""

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Composition, Lattice, Species, Structure

from disolyte.enumeration import OrderingSpace
from disolyte.enumeration.oxidation import guess_oxidation_states
from disolyte.errors import EnumerationError, InputError, OxidationStateError, StructureError


def salt(**keywords):
    return OrderingSpace.from_structure(
        Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]), (2, 1, 1), **keywords
    )


@pytest.mark.parametrize("symprec", [0, -1, float("nan"), None, "fine"])
def test_a_tolerance_that_is_no_distance_is_refused(symprec):
    with pytest.raises(InputError, match="symprec"):
        salt(symprec=symprec)


@pytest.mark.parametrize("supercell", [100, 10**4, 10**6])
def test_a_huge_supercell_is_refused_before_it_is_built(supercell):
    with pytest.raises(EnumerationError, match="choose a smaller supercell"):
        OrderingSpace.from_structure(
            Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]), supercell
        )


@pytest.mark.parametrize("structure", [None, "salt.cif", Structure(Lattice.cubic(4), [], [])])
def test_what_is_no_structure_is_refused(structure):
    with pytest.raises(StructureError):
        OrderingSpace.from_structure(structure)


def test_coordinates_that_are_no_numbers_are_refused():
    with pytest.raises(StructureError, match="finite"):
        OrderingSpace.from_structure(Structure(Lattice.cubic(4), [{"Na": 0.5}], [[np.nan, 0, 0]]), (2, 1, 1))


def test_sites_that_coincide_are_refused():
    """Their orderings would hold two atoms in one place, with an energy that counts them as one."""
    split = Structure(Lattice.cubic(4), [{"Na": 0.5}, {"K": 0.5}, "Cl"], [[0] * 3, [0, 0, 0.9999], [0.5] * 3])
    with pytest.raises(StructureError, match="sites 0 .* and 1 .* merge them"):
        OrderingSpace.from_structure(split, (2, 1, 1))
    split.merge_sites(tol=0.01, mode="sum")
    assert OrderingSpace.from_structure(split, (2, 1, 1)).n_raw == 2


def test_isotopes_do_not_displace_each_other():
    """pymatgen writes deuterium as H: half H, a quarter D leave a quarter vacant, not a half."""
    mixed = Structure(Lattice.cubic(4), [{"H": 0.5, "D": 0.25}, "Cl"], [[0] * 3, [0.5] * 3])
    sublattice = OrderingSpace.from_structure(mixed, (4, 1, 1)).cell.sublattices[0]
    assert dict(zip(sublattice.species, sublattice.counts, strict=True)) == {"H": 3, "": 1}


def test_an_empty_site_holds_nothing():
    with_empty = Structure(Lattice.cubic(4), [{"K": 0.5}, {"Na": 0.0}, "Cl"], [[0] * 3, [0.25] * 3, [0.5] * 3])
    space = OrderingSpace.from_structure(with_empty, (2, 1, 1), oxidation_states={"K": 1, "Cl": -1})
    assert space.cell.amounts() == {"K": 1, "Cl": 2}
    assert space.to_structure(space.lowest_energy(1).occupations[0]).formula == "K1 Cl2"


def test_fractional_charges_keep_their_decimals():
    magnetite = Structure(Lattice.cubic(4), [{Species("Fe", 8 / 3): 0.5, "Zn2+": 0.5}, "O2-"], [[0] * 3, [0.5] * 3])
    space = OrderingSpace.from_structure(magnetite, (2, 1, 1))
    assert sorted(space.oxidation_states.values.values()) == pytest.approx([-2, 2, 8 / 3], abs=1e-9)
    ordering = space.lowest_energy(1)
    energy = EwaldSummation(space.to_structure(ordering.occupations[0])).total_energy
    assert ordering.energies_ev[0] == pytest.approx(energy, abs=1e-6)


class TestArguments:
    @pytest.mark.parametrize("n", [0, -1, 2.0, "3", None])
    @pytest.mark.parametrize("method", ["sample_orderings", "lowest_energy", "diverse_orderings", "iter_orderings"])
    def test_numbers(self, n, method):
        with pytest.raises(InputError, match="it must be"):
            getattr(salt(), method)(n)

    @pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
    @pytest.mark.parametrize("method", ["sample_orderings", "lowest_energy", "diverse_orderings"])
    def test_seeds(self, seed, method):
        with pytest.raises(InputError, match="seed"):
            getattr(salt(), method)(1, seed=seed)

    @pytest.mark.parametrize(
        "rows", [np.zeros((1, 3)), [[0, 0, -1, 0]], [[0, 0, 300, 0]], [[0.5, 0, 0, 0]], [["a"] * 4]]
    )
    def test_occupations(self, rows):
        space = salt()
        for method in (space.energies_ev, space.crystal_keys):
            with pytest.raises(InputError, match="occupation"):
                method(rows)

    def test_one_element_to_pool(self):
        assert salt(pool="Na").cell.sublattices[0].name == "pool of K, Na"


@pytest.mark.parametrize(
    ("amounts", "states"),
    [
        ({"Li": 6, "P": 1, "S": 5, "Cl": 1}, {"Li": 1, "P": 5, "S": -2, "Cl": -1}),
        ({"Li": 7, "P": 2, "S": 8, "I": 1}, {"Li": 1, "P": 5, "S": -2, "I": -1}),
    ],
)
def test_guess_takes_the_common_states_whatever_was_guessed_before(monkeypatch, amounts, states):
    """Sulphide halides have several neutral assignments; pymatgen's frequencies decide, loaded already or not."""
    monkeypatch.setattr(Composition, "oxi_prob", None)
    assert guess_oxidation_states(amounts) == states


@pytest.mark.parametrize("amounts", [{"Na": 3, "Sb": 1, "S": 3, "Cl": 1}, {"Li": 1, "P": 1, "S": 1}])
def test_electronegative_elements_are_not_guessed_to_be_cations(amounts):
    """Else Na3SbS3Cl had Cl +5 beside Sb -2."""
    with pytest.raises(OxidationStateError, match="with the electronegative elements negative: .*oxidation_states"):
        guess_oxidation_states(amounts)


def test_cations_may_be_a_little_more_electronegative_than_anions():
    assert guess_oxidation_states({"Pb": 1, "Te": 1}) == {"Pb": 2, "Te": -2}
