import numpy as np
import pytest
from ase.calculators.lj import LennardJones
from pymatgen.core import Lattice, Structure

from disolyte.errors import CompositionError, InputError
from disolyte.systems import get_system, parent_structure
from disolyte.systems.structures import WyckoffSite
from disolyte.thermodynamics import (
    PackedStructures,
    RankedEnergiesDoc,
    Relaxation,
    RelaxationProtocol,
    compare_rankings,
)
from disolyte.thermodynamics.candidates import gather_candidates, pick_structures
from disolyte.thermodynamics.duplicates import find_distinct
from disolyte.thermodynamics.relaxation import relax_structure

ENDS = ["Li3InCl6", "Li3InBr6", "Li3YBr6"]


def ordering(metals=("In", "In"), halogens=("Cl",) * 12, empty=(0, 1)):
    """Ordered cell of the lithium halides without the lithium sites ``empty``."""
    parent = get_system("liybc").parents[0]
    labels = np.array(parent.site_properties["sublattice"])
    species = np.array([site.specie.symbol for site in parent], dtype=object)
    species[labels == "M"] = metals
    species[labels == "X"] = halogens
    kept = [i for i in range(len(parent)) if i not in set(np.flatnonzero(labels == "Li")[list(empty)])]
    return Structure(parent.lattice, species[kept], parent.frac_coords[kept])


ORDERINGS = {
    "Li3InCl6": ordering(),
    "Li3InBr6": ordering(halogens=("Br",) * 12),
    "Li3YBr6": ordering(metals=("Y", "Y"), halogens=("Br",) * 12),
    "Li3In0.5Y0.5Br6": ordering(metals=("Y", "In"), halogens=("Br",) * 12),
    "Li3InBr3Cl3": ordering(halogens=("Br",) * 6 + ("Cl",) * 6),
}


def ranking(formula, energies, structures=None, **changes):
    structures = structures or [ORDERINGS[formula]]
    fields = {
        "point": get_system("liybc").point(formula),
        "packed_structures": PackedStructures.from_structures(structures),
        "energies_ev_per_atom": [energy / 10 for energy in energies],
        "energies_ev_per_fu": list(energies),
        "n_formula_units": [len(structure) / 10 for structure in structures],
        "n_ranked": len(energies),
        "relaxation": Relaxation.STATIC,
        "model_name": "by hand",
        "model_sha256": "0" * 64,
    }
    return RankedEnergiesDoc(**{**fields, **changes})


def many(formula, energies):
    """Different structures of one composition: the cell is stretched a little more for each."""
    base = ORDERINGS[formula]
    structures = [
        Structure(Lattice(base.lattice.matrix * (1 + 0.1 * i)), base.species, base.frac_coords)
        for i in range(len(energies))
    ]
    return ranking(formula, energies, structures)


def test_structures_survive_packing():
    structures = [ORDERINGS["Li3InCl6"], ORDERINGS["Li3In0.5Y0.5Br6"] * (1, 1, 2)]
    assert PackedStructures.from_structures(structures).to_structures() == structures
    assert PackedStructures.from_structures([]).to_structures() == []


def test_copies_are_found_whatever_their_cell():
    first = ORDERINGS["Li3In0.5Y0.5Br6"]
    shifted = Structure(first.lattice, first.species, first.frac_coords + np.array([0.5, 0.5, 0]))
    mirrored = Structure(first.lattice, first.species, first.frac_coords * np.array([1, -1, 1]))
    doubled = first * (1, 1, 2)
    assert find_distinct([first, shifted, mirrored, doubled], [-1.0, -1.0, -1.0, -1.0]) == [0]
    assert find_distinct([first, shifted], [-1.0, -0.9]) == [0, 1]


def test_one_lithium_elsewhere_is_another_ordering():
    first, second = ordering(empty=(4, 5)), ordering(empty=(4, 0))
    assert find_distinct([first, second, first], [-1.0, -1.0, -1.0]) == [0, 1]


def test_pick():
    rankings = [
        many("Li3InCl6", [-30.0, -29.99, -29.9]),
        many("Li3InBr6", [-26.0, -25.95]),
        many("Li3YBr6", [-28.0, -27.5]),
        many("Li3InBr3Cl3", [-27.9, -27.85, -27.0]),
    ]
    candidates, n_duplicates = gather_candidates(rankings)
    assert (len(candidates), n_duplicates) == (10, 0)
    pick = pick_structures(candidates, ENDS, n_select=6, temperature_k=800.0, seed=0)
    assert pick.note is None
    assert len(pick.entries) == 6
    ground = [entry for entry in pick.entries if entry.is_ground_state]
    assert [entry.point.formula for entry in ground] == ["Li3InCl6", "Li3InBr6", "Li3YBr6", "Li3InBr3Cl3"]
    assert [entry.family for entry in ground] == [f"{entry.point.formula}-000" for entry in ground]
    assert len({entry.family for entry in pick.entries}) == 6
    middle = next(entry for entry in ground if entry.point.formula == "Li3InBr3Cl3")
    assert middle.e_hull_ev_per_fu == pytest.approx(0.1)
    assert middle.e_hull_ev_per_atom == pytest.approx(0.01)
    everything = pick_structures(candidates, ENDS, n_select=10, temperature_k=800.0, seed=0)
    assert sum(entry.probability for entry in everything.entries) == pytest.approx(1)
    # exp(-0.1 eV / k 800 K) = 0.2345
    assert middle.probability / ground[0].probability == pytest.approx(0.2345, abs=1e-4)
    again = pick_structures(candidates, ENDS, n_select=6, temperature_k=800.0, seed=0)
    assert [entry.family for entry in again.entries] == [entry.family for entry in pick.entries]
    assert "only 10 distinct" in pick_structures(candidates, ENDS, n_select=11, temperature_k=800.0, seed=0).note
    assert "are 4" in pick_structures(candidates, ENDS, n_select=2, temperature_k=800.0, seed=0).note


def test_duplicates_are_left_out():
    small = ORDERINGS["Li3In0.5Y0.5Br6"]
    doc = ranking("Li3In0.5Y0.5Br6", [-27.0, -27.0], [small, small * (1, 2, 1)])
    candidates, n_duplicates = gather_candidates([doc])
    assert (len(candidates), n_duplicates) == (1, 1)


def test_bad_rankings_name_the_culprit():
    good = ranking("Li3InCl6", [-30.0])
    with pytest.raises(InputError, match="no ranked energies"):
        gather_candidates([])
    with pytest.raises(CompositionError, match="Li3InBr6 holds no structure"):
        gather_candidates([good, many("Li3InBr6", [])])
    with pytest.raises(InputError, match=r"structures \[0\] of Li3InBr6 are not finite"):
        gather_candidates([good, ranking("Li3InBr6", [float("nan")])])
    with pytest.raises(InputError, match="different energies"):
        gather_candidates([good, ranking("Li3InBr6", [-1.0], model_name="another")])


def test_agreement():
    formulas = ["A", "A", "B", "B"]
    same = compare_rankings(formulas, [0.0, 0.1, 0.0, 0.3], [0.0, 0.2, 0.01, 0.5], reference_model="m")
    assert (same.ground_states_kept, same.n_compositions) == (2, 2)
    assert same.kendall_tau > 0.9
    turned = compare_rankings(formulas, [0.0, 0.1, 0.2, 0.3], [0.3, 0.2, 0.1, 0.0], reference_model="m")
    assert (turned.ground_states_kept, turned.kendall_tau) == (0, pytest.approx(-1))
    assert turned.mean_abs_difference_ev_per_atom == pytest.approx(0.2)
    assert compare_rankings(["A"], [0.0], [0.0], reference_model="m").kendall_tau is None


def test_relaxation_finds_the_lennard_jones_crystal():
    """Face-centred argon of the truncated potential from a stretched cell: equal to a scan of the lattice constant."""
    from ase import Atoms

    def energy(a):
        atoms = Atoms("Ar4", scaled_positions=FCC, cell=[a] * 3, pbc=True, calculator=calculator())
        return atoms.get_potential_energy()

    def calculator():
        return LennardJones(epsilon=0.0104, sigma=3.40, rc=8.5, smooth=True)

    FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    scan = np.linspace(5.1, 5.5, 81)
    best = scan[np.argmin([energy(a) for a in scan])]
    start = parent_structure("Fm-3m", (5.5, 5.5, 5.5, 90, 90, 90), [WyckoffSite("A", "Ar", (0, 0, 0))])
    protocol = RelaxationProtocol(kind=Relaxation.CELL, max_force_ev_per_ang=1e-4, max_steps=300)
    relaxed = relax_structure(start, calculator(), protocol)
    assert relaxed.converged
    assert relaxed.structure.lattice.abc == pytest.approx([best] * 3, abs=0.01)
    static = relax_structure(start, calculator(), RelaxationProtocol())
    assert static.structure == start
    assert static.energy_ev == pytest.approx(energy(5.5))
    short = relax_structure(start, calculator(), RelaxationProtocol(kind=Relaxation.CELL, max_steps=1))
    assert not short.converged
