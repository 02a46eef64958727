"""The lowest orderings, by all routes."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.enumeration import OrderingSpace
from disolyte.errors import InputError, OxidationStateError

NASICON_CHARGES = {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}


def keys(occupations):
    return {row.tobytes() for row in occupations}


def all_energies(space, energy=None):
    rows = np.concatenate([batch.occupations for batch in space.iter_orderings()])
    return rows, (energy or space.energies_ev)(rows)


@pytest.fixture
def two_by_one(parents):
    primitive = parents["nasicon"]().get_primitive_structure()
    return OrderingSpace.from_structure(primitive, (2, 1, 1), oxidation_states=NASICON_CHARGES)


def test_exhaustive_ranking_is_sorting_all_energies(two_by_one):
    rows, energies = all_energies(two_by_one)
    ranked = two_by_one.lowest_energy(500)
    assert ranked.exhaustive
    assert len(keys(ranked.occupations)) == 500
    np.testing.assert_allclose(ranked.energies_ev, np.sort(energies)[:500], atol=1e-7)
    np.testing.assert_allclose(two_by_one.energies_ev(ranked.occupations), ranked.energies_ev, atol=1e-8)
    assert keys(ranked.occupations) <= keys(rows)
    degeneracies = {
        row.tobytes(): d
        for b in two_by_one.iter_orderings()
        for row, d in zip(b.occupations, b.degeneracies, strict=True)
    }
    assert all(degeneracies[r.tobytes()] == d for r, d in zip(ranked.occupations, ranked.degeneracies, strict=True))


def test_all_orderings_if_fewer_than_asked_for(parents):
    space = OrderingSpace.from_structure(
        parents["nasicon"]().get_primitive_structure(), oxidation_states=NASICON_CHARGES
    )
    ranked = space.lowest_energy(1000)
    assert len(ranked.energies_ev) == len(keys(ranked.occupations)) == space.n_distinct == 24
    assert int(ranked.degeneracies.sum()) == space.n_raw


@pytest.mark.parametrize("seed", [0, 1])
def test_search_finds_what_the_exhaustive_ranking_finds(two_by_one, seed):
    exact = two_by_one.lowest_energy(300)
    found = two_by_one.lowest_energy(300, seed=seed, exhaustive_limit=1)
    assert not found.exhaustive
    assert len(keys(found.occupations)) == 300
    np.testing.assert_allclose(found.energies_ev, exact.energies_ev, atol=1e-7)
    np.testing.assert_array_equal(np.sort(found.degeneracies[:250]), np.sort(exact.degeneracies[:250]))


def test_all_orderings_are_looked_at_if_all_are_wanted(two_by_one):
    ranked = two_by_one.lowest_energy(two_by_one.n_distinct, exhaustive_limit=1)
    assert ranked.exhaustive
    assert len(keys(ranked.occupations)) == two_by_one.n_distinct


def test_search_repeats_itself_with_its_seed(two_by_one):
    one, two = (two_by_one.lowest_energy(50, seed=3, exhaustive_limit=1) for _ in range(2))
    np.testing.assert_array_equal(one.occupations, two.occupations)


def test_species_of_equal_charge_do_not_hide_each_other():
    """Br and Cl, In and Y: the merged ranking has the energies of the full one, and all its orderings."""
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    space = OrderingSpace.from_structure(disordered_structure(system, system.point("Li3In0.5Y0.5Br4.5Cl1.5")))
    _, energies = all_energies(space)
    for n in (1, 7, 400, 5000):
        ranked = space.lowest_energy(n, seed=2)
        assert ranked.exhaustive
        assert len(keys(ranked.occupations)) == min(n, space.n_distinct)
        np.testing.assert_allclose(ranked.energies_ev, np.sort(energies)[:n], atol=1e-7)
        np.testing.assert_allclose(space.energies_ev(ranked.occupations), ranked.energies_ev, atol=1e-7)
    assert keys(space.lowest_energy(5000).occupations) == keys(all_energies(space)[0])


def test_ties_are_broken_at_random():
    """Br/Cl alone: all energies are equal, so that seeds give different, unbiased choices."""
    disordered = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(6), ["Na", {"Br": 0.5, "Cl": 0.5}], [[0] * 3, [0.5] * 3]
    )
    space = OrderingSpace.from_structure(disordered, (1, 2, 2))
    chosen = [keys(space.lowest_energy(5, seed=seed).occupations) for seed in range(60)]
    assert len(set().union(*chosen)) > 100  # of 153
    assert all(len(entry) == 5 for entry in chosen)
    assert "same energy" in space.lowest_energy(5).caveats()[0]


def test_energies_that_differ_are_no_caveat(two_by_one):
    assert two_by_one.lowest_energy(50).caveats() == []


def test_the_paper_s_largest_cell_has_distinct_lowest_orderings():
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    space = OrderingSpace.from_structure(disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3")), (1, 2, 2))
    ranked = space.lowest_energy(300)
    images, _ = space.problem.canonicalise(
        ranked.occupations[:, np.concatenate([space.cell.sublattices[k].sites for k in space.problem.sequence])]
    )
    assert ranked.exhaustive
    assert len(keys(images)) == 300
    by_search = space.lowest_energy(1, exhaustive_limit=1)
    assert by_search.energies_ev[0] == pytest.approx(ranked.energies_ev[0], abs=1e-7)


def nearest_pairs(space):
    """Energy that counts unlike neighbours on the first sublattice."""
    sites = space.cell.sublattices[0].sites
    difference = space.cell.frac_coords[sites][:, None] - space.cell.frac_coords[sites][None]
    distance = np.linalg.norm((difference - np.round(difference)) @ space.cell.lattice_ang, axis=2)
    bonded = (np.abs(distance - distance[distance > 0.1].min()) < 0.01).astype(float)

    def energy(occupations):
        spins = 1.0 - 2.0 * (occupations[:, sites] == 0)
        return np.einsum("ni,ij,nj->n", spins, bonded, spins)

    return energy


def test_any_other_energy(parents):
    space = OrderingSpace.from_structure(parents["rutile"](), (2, 2, 2))
    energy = nearest_pairs(space)
    _, energies = all_energies(space, energy)
    ranked = space.lowest_energy(40, energy=energy)
    assert ranked.exhaustive
    np.testing.assert_allclose(ranked.energies_ev, np.sort(energies)[:40])
    searched = space.lowest_energy(40, energy=energy, exhaustive_limit=1)
    assert not searched.exhaustive
    assert len(keys(searched.occupations)) == 40
    assert searched.energies_ev[0] == pytest.approx(energies.min())
    np.testing.assert_allclose(energy(searched.occupations), searched.energies_ev)


@pytest.mark.parametrize("bad", [lambda rows: np.zeros(3), lambda rows: np.full(len(rows), np.nan)])
def test_an_energy_function_that_returns_something_else_is_refused(parents, bad):
    space = OrderingSpace.from_structure(parents["rock_salt"](), (1, 2, 2))
    with pytest.raises(InputError, match="one finite energy"):
        space.lowest_energy(5, energy=bad)


class TestOxidationStates:
    def test_guessed_once_and_recorded(self, parents):
        space = OrderingSpace.from_structure(parents["rutile"]())
        assert space.oxidation_states.values == {"Fe": 3, "Sb": 5, "O": -2}
        assert space.oxidation_states.source == "guessed"
        assert "guessed" in space.oxidation_states.caveats[0]

    def test_from_the_species(self):
        disordered = Structure(Lattice.cubic(4), [{"Fe2+": 0.5, "Fe3+": 0.5}, "O2-"], [[0] * 3, [0.5] * 3])
        space = OrderingSpace.from_structure(disordered, (2, 1, 1))
        assert space.oxidation_states.source == "structure"
        assert space.oxidation_states.values == {"Fe2+": 2, "Fe3+": 3, "O2-": -2}
        assert space.n_distinct == 1

    def test_given_ones_go_first(self, parents):
        space = OrderingSpace.from_structure(parents["rutile"](), oxidation_states={"Fe": 2.5, "Sb": 5.5, "O": -2})
        assert space.oxidation_states.source == "given"

    def test_missing_for_some(self, parents):
        space = OrderingSpace.from_structure(parents["rutile"](), oxidation_states={"Fe": 3})
        assert space.n_distinct == 1  # counting needs no charges
        with pytest.raises(OxidationStateError, match="not for O, Sb"):
            space.lowest_energy(1)

    @pytest.mark.parametrize("charge", [float("nan"), float("inf"), None, "x"])
    def test_no_number(self, parents, charge):
        space = OrderingSpace.from_structure(parents["rutile"](), oxidation_states={"Fe": charge, "Sb": 5, "O": -2})
        with pytest.raises(OxidationStateError, match="state of Fe is"):
            space.lowest_energy(1)

    def test_given_ones_are_not_replaced_by_a_guess(self, parents):
        space = OrderingSpace.from_structure(parents["rutile"](), oxidation_states={"Fe3+": 3, "Sb5+": 5, "O2-": -2})
        with pytest.raises(OxidationStateError, match=r"names Fe3\+.*holds O, Fe, Sb|name these"):
            space.lowest_energy(1)

    def test_elements_that_have_none(self):
        noble = Structure(Lattice.cubic(4), [{"He": 0.5, "Ne": 0.5}, "Cl"], [[0] * 3, [0.5] * 3])
        with pytest.raises(OxidationStateError, match="give the states in oxidation_states"):
            OrderingSpace.from_structure(noble, (2, 1, 1)).lowest_energy(1)

    def test_never_zero(self, parents):
        space = OrderingSpace.from_structure(parents["rutile"](), oxidation_states={"Fe": 0, "Sb": 0, "O": 0})
        with pytest.raises(OxidationStateError, match="zero"):
            space.lowest_energy(1)

    def test_none_to_be_guessed(self):
        alloy = Structure(Lattice.cubic(4), [{"Fe": 0.5, "Cr": 0.5}], [[0] * 3])
        with pytest.raises(OxidationStateError, match="give the states in oxidation_states"):
            OrderingSpace.from_structure(alloy, (2, 1, 1)).lowest_energy(1)
