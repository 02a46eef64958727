"""What a cell can hold: refusals that help, and roundings that are reported."""

from math import ceil, floor
from typing import ClassVar

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.enumeration import OrderingSpace, Rounding
from disolyte.enumeration.composition import Occupancies
from disolyte.enumeration.neutrality import _least_charged
from disolyte.errors import CompositionError, EnumerationError, InputError, StructureError


def counts(space):
    return [dict(zip(entry.species, entry.counts, strict=True)) for entry in space.cell.sublattices]


def salt(**occupancies):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(6), [occupancies, "Cl"], [[0] * 3, [0.5] * 3])


class TestRefusals:
    def test_names_the_nearest_and_the_supercells_that_would_do(self):
        with pytest.raises(CompositionError) as caught:
            OrderingSpace.from_structure(salt(Na=0.3, K=0.7))
        message = str(caught.value)
        assert "Na 0.3 is 1.2 atoms" in message
        assert "0.25 (1/4) or 0.5 (2/4)" in message
        assert "1×1×5" in message
        assert "rounding='nearest'" in message
        # What it names does do.
        assert counts(OrderingSpace.from_structure(salt(Na=0.3, K=0.7), (1, 1, 5))) == [{"K": 14, "Na": 6}]

    def test_names_one_cell_for_all_sublattices(self):
        disordered = Structure(
            Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}, {"Cl": 2 / 3, "Br": 1 / 3}], [[0] * 3, [0.5] * 3]
        )
        with pytest.raises(CompositionError, match="1×2×3"):
            OrderingSpace.from_structure(disordered, (1, 1, 2))
        assert OrderingSpace.from_structure(disordered, (1, 2, 3)).n_distinct > 1

    def test_says_so_if_none_would_do(self):
        with pytest.raises(CompositionError, match="No supercell of up to 64"):
            OrderingSpace.from_structure(salt(Li=0.53358))

    def test_an_ordered_structure(self):
        with pytest.raises(StructureError, match="no site of partial occupancy.*replace_species"):
            OrderingSpace.from_structure(salt(Na=1.0))

    def test_too_much_on_a_site(self):
        site = salt(Na=0.5, K=0.5)
        site[0]._species = site[0].species + site[1].species
        with pytest.raises(CompositionError, match="total occupancy of 2"):
            OrderingSpace.from_structure(site)

    @pytest.mark.parametrize("supercell", [0, (1, 2), (1, 1, 0), 1.5, "a", [[1, 0, 0], [2, 0, 0], [0, 0, 1]], None])
    def test_supercells_that_are_none(self, supercell):
        with pytest.raises(InputError):
            OrderingSpace.from_structure(salt(Na=0.5), supercell)

    def test_unknown_rounding(self):
        with pytest.raises(InputError, match="refuse or nearest"):
            OrderingSpace.from_structure(salt(Na=0.5), rounding="up")

    def test_a_supercell_beyond_memory(self):
        with pytest.raises(EnumerationError, match="smaller supercell"):
            OrderingSpace.from_structure(salt(Na=0.5), 30)


class TestPrintedDecimals:
    """0.333 is how a third is printed; 0.33 is not."""

    @pytest.mark.parametrize(
        ("occupancy", "supercell", "expected"),
        [(0.333, (1, 1, 3), 4), (0.667, (1, 1, 3), 8), (0.917, (1, 1, 3), 11), (0.0833, (1, 1, 3), 1), (0.25, 1, 1)],
    )
    def test_accepted_and_reported(self, occupancy, supercell, expected):
        space = OrderingSpace.from_structure(salt(Na=occupancy, K=1 - occupancy), supercell)
        assert counts(space)[0]["Na"] == expected
        assert bool(space.occupancy_changes) == (occupancy != 0.25)

    @pytest.mark.parametrize("occupancy", [0.33, 0.34, 0.6, 0.335, 0.3335])
    def test_refused(self, occupancy):
        with pytest.raises(CompositionError):
            OrderingSpace.from_structure(salt(Na=occupancy, K=1 - occupancy), (1, 1, 3))

    def test_three_thirds(self):
        space = OrderingSpace.from_structure(salt(Na=0.333, K=0.333, Li=0.333), (1, 1, 3))
        assert counts(space) == [{"K": 4, "Li": 4, "Na": 4, "": 0}] or counts(space) == [{"K": 4, "Li": 4, "Na": 4}]
        assert space.n_raw == 34650


def test_rounding_is_explicit_and_reported():
    space = OrderingSpace.from_structure(salt(Li=0.53358, Mg=0.09492), 2, rounding=Rounding.NEAREST)
    assert counts(space) == [{"Li": 17, "Mg": 3, "": 12}]
    changes = {change.species: (change.given, change.realised) for change in space.occupancy_changes}
    assert changes["Li"] == (pytest.approx(0.53358), 17 / 32)
    assert changes["Mg"] == (pytest.approx(0.09492), 3 / 32)
    assert str(space.occupancy_changes[0]).startswith("Li on")


def test_what_is_exact_is_not_touched_by_rounding():
    space = OrderingSpace.from_structure(salt(Na=0.25, K=0.75), rounding="nearest")
    assert space.occupancy_changes == []


class TestPools:
    def parent(self, **properties):
        """Tetragonal cell: two inequivalent sites of lithium."""
        return Structure(
            Lattice.tetragonal(4, 5),
            [{"Li": 0.5}, {"Li": 0.5}, "O"],
            [[0, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0.25]],
            site_properties=properties or None,
        )

    def test_each_orbit_has_its_composition(self):
        space = OrderingSpace.from_structure(self.parent(), (2, 1, 1))
        # A mirror plane through the oxygen makes the two sites one orbit.
        assert [entry.counts for entry in space.cell.sublattices] == [(2, 2)]
        assert space.n_raw == 6

    def test_inequivalent_orbits(self):
        disordered = Structure(
            Lattice.tetragonal(4, 5),
            [{"Li": 0.5}, {"Li": 0.5}, "O"],
            [[0, 0, 0], [0.5, 0.5, 0.3], [0, 0, 0.5]],
        )
        apart = OrderingSpace.from_structure(disordered, (2, 1, 1))
        assert len(apart.cell.sublattices) == 2
        assert apart.n_raw == 4
        labelled = disordered.copy(site_properties={"sublattice": ["Li", "Li", "O"]})
        pooled = OrderingSpace.from_structure(labelled, (2, 1, 1))
        assert [entry.counts for entry in pooled.cell.sublattices] == [(2, 2)]
        assert pooled.n_raw == 6
        by_element = OrderingSpace.from_structure(disordered, (2, 1, 1), pool=["Li"])
        assert by_element.n_distinct == pooled.n_distinct
        # A cell that no orbit alone fits: the pool does.
        assert OrderingSpace.from_structure(disordered, 1, pool=["Li"]).n_raw == 2

    def test_unequal_occupancies_are_pooled_by_their_sum(self):
        disordered = Structure(
            Lattice.tetragonal(4, 5),
            [{"Li": 0.7}, {"Li": 0.3}],
            [[0, 0, 0], [0.5, 0.5, 0.3]],
            site_properties={"sublattice": ["Li", "Li"]},
        )
        space = OrderingSpace.from_structure(disordered)
        assert [entry.counts for entry in space.cell.sublattices] == [(1, 1)]

    def test_a_full_site_of_the_pool_belongs_to_it(self):
        disordered = Structure(
            Lattice.tetragonal(4, 5),
            [{"Li": 0.5}, "Li", "O"],
            [[0, 0, 0], [0.5, 0.5, 0.3], [0, 0, 0.5]],
            site_properties={"sublattice": ["Li", "Li", "O"]},
        )
        space = OrderingSpace.from_structure(disordered, (2, 1, 1))
        assert [entry.counts for entry in space.cell.sublattices] == [(3, 1)]

    def test_pools_of_different_species_are_refused(self):
        disordered = Structure(
            Lattice.tetragonal(4, 5),
            [{"Li": 0.5}, {"Na": 0.5}],
            [[0, 0, 0], [0.5, 0.5, 0.3]],
            site_properties={"sublattice": ["A", "A"]},
        )
        with pytest.raises(StructureError, match="different labels"):
            OrderingSpace.from_structure(disordered, 2)

    def test_an_element_that_is_not_disordered(self):
        with pytest.raises(StructureError, match="no partially occupied site holds O"):
            OrderingSpace.from_structure(self.parent(), 2, pool=["O"])


class TestStructures:
    def test_vacancies_are_left_out_and_species_kept(self):
        disordered = Structure(Lattice.cubic(4), [{"Li+": 0.5}, "Cl-"], [[0] * 3, [0.5] * 3])
        space = OrderingSpace.from_structure(disordered, (2, 1, 1))
        (batch,) = space.iter_orderings()
        structure = space.to_structure(batch.occupations[0])
        assert structure.formula == "Li1 Cl2"
        assert {site.specie.oxi_state for site in structure} == {1, -1}
        assert structure.volume == pytest.approx(128)
        assert structure.is_ordered

    def test_sites_are_those_of_pymatgen_s_supercell(self, parents):
        matrix = [[1, 1, 0], [-1, 2, 0], [0, 1, 2]]
        parent = parents["rutile"]()
        space = OrderingSpace.from_structure(parent, matrix)
        expected = parent.copy().make_supercell(matrix, in_place=False)
        (batch,) = space.iter_orderings()
        structure = space.to_structure(batch.occupations[0])
        assert len(structure) == len(expected)
        for site in structure:
            near = min(expected, key=lambda other, site=site: site.distance(other))
            assert site.distance(near) < 1e-6
            assert site.specie in near.species

    @pytest.mark.parametrize("occupation", [[0], [9] * 8])
    def test_wrong_occupations(self, parents, occupation):
        space = OrderingSpace.from_structure(parents["rock_salt"]())
        with pytest.raises(InputError):
            space.to_structure(occupation)


class TestNeutralRounding:
    """Rounding each sublattice by itself may charge the cell; where charges are known, it does not."""

    STATES: ClassVar = {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}

    @staticmethod
    def nasicon():
        """Na3.4Zr2Si2.4P0.6O12, six formula units of sites without their geometry's meaning."""
        sites = [
            ((0, 0, 0), {"Na": 0.79}, 6), ((0.5, 0, 0), {"Na": 0.87}, 18), ((0, 0.5, 0), {"Zr": 1}, 12),
            ((0, 0, 0.5), {"Si": 0.8, "P": 0.2}, 18), ((0.5, 0.5, 0), {"O": 1}, 72),
        ]  # fmt: skip
        places = [([*origin[:2], origin[2] + k / n / 2.5], species) for origin, species, n in sites for k in range(n)]
        structure = Structure(
            Lattice.from_parameters(20, 21, 90, 90, 90, 90), [s for _, s in places], [p for p, _ in places]
        )
        labels = [str(sorted(site.species.as_dict().items())) for site in structure]
        return structure.copy(site_properties={"sublattice": labels})

    def test_takes_the_neutral_counts_that_change_the_fewest_sites(self):
        space = OrderingSpace.from_structure(self.nasicon(), rounding="nearest", oxidation_states=self.STATES)
        # Each by itself: 5 and 16 Na, 14 Si and 4 P, which is +1 e.
        assert space.cell.formula == "Na21Zr12Si15P3O72"
        assert space.oxidation_states.total_charge_e == 0

    def test_of_all_choices_it_is_the_nearest(self):
        rng = np.random.default_rng(3)
        for _ in range(20):
            values = rng.integers(1, 100, 2) / 100
            entries = [
                Occupancies("a", ("Na", ""), (values[0], 1 - values[0]), 7),
                Occupancies("b", ("P", "Si"), (values[1], 1 - values[1]), 9),
            ]
            charges, fixed = (
                {"": 0.0, "Na": 1.0, "P": 5.0, "Si": 4.0},
                -float(round(7 * values[0] + 9 * values[1] + 36)),
            )
            found, left = _least_charged(entries, charges, fixed)
            options = [
                ((abs(n + m + 36 + fixed), abs(n - 7 * values[0]) + abs(m - 9 * values[1])), ((n, 7 - n), (m, 9 - m)))
                for n in {floor(7 * values[0]), ceil(7 * values[0])}
                for m in {floor(9 * values[1]), ceil(9 * values[1])}
            ]
            best, _ = min(options)
            assert abs(left) == best[0]
            moved = abs(found[0][0] - 7 * values[0]) + abs(found[1][0] - 9 * values[1])
            assert moved == pytest.approx(best[1])

    def test_refused_where_every_rounding_is_charged(self):
        # Neutral with two thirds of an atom: none is -2 e, one is +1 e.
        disordered = Structure(Lattice.cubic(4), [{"Al": 2 / 3}, "O"], [[0] * 3, [0.5] * 3])
        states = {"Al": 3, "O": -2}
        with pytest.raises(CompositionError, match=r"least charge is \+1 e per cell.*another supercell"):
            OrderingSpace.from_structure(disordered, rounding="nearest", oxidation_states=states)
        assert OrderingSpace.from_structure(disordered, 3, rounding="nearest", oxidation_states=states).n_distinct > 1

    def test_stated_states_go_before_the_charges_of_the_ranking(self):
        disordered = self.nasicon()
        disordered.add_oxidation_state_by_element(self.STATES)
        space = OrderingSpace.from_structure(
            disordered, rounding="nearest", oxidation_states={**self.STATES, "Si": 4.3, "P": 4.7}
        )
        assert space.cell.formula == "Na21Zr12Si15P3O72"
