import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import CompoundPhaseDiagram, PDEntry, PhaseDiagram
from pymatgen.core import Composition
from scipy.optimize import linprog

from disolyte.errors import CompositionError, InputError
from disolyte.thermodynamics import Phase, mixing_hull, mixing_shares

ENDS = ["Li3InCl6", "Li3InBr6", "Li3YBr6"]


def mixture(shares, ends=ENDS):
    amounts = {}
    for share, end in zip(shares, ends, strict=True):
        for element, amount in Composition(end).get_el_amt_dict().items():
            amounts[element] = amounts.get(element, 0.0) + share * amount
    return {element: amount for element, amount in amounts.items() if amount}


def random_phases(rng, n_ends, n_mixed):
    shares = [*np.eye(n_ends), *rng.dirichlet(np.ones(n_ends), size=n_mixed)]
    energies = -30 + rng.normal(scale=2.0, size=n_ends) @ np.array(shares).T + rng.normal(scale=0.05, size=len(shares))
    return shares, [
        Phase(f"phase-{i}", mixture(row, ENDS[:n_ends]), float(energy))
        for i, (row, energy) in enumerate(zip(shares, energies, strict=True))
    ]


@pytest.mark.parametrize("n_ends", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_equals_linear_programme(n_ends, seed):
    """The hull is the cheapest mixture of phases that has the composition."""
    shares, phases = random_phases(np.random.default_rng(seed), n_ends, 15)
    hull = mixing_hull(phases, ENDS[:n_ends])
    energies = np.array([phase.energy_ev_per_fu for phase in phases])
    for row, target in zip(hull.rows, shares, strict=True):
        cheapest = linprog(energies, A_eq=np.array(shares).T, b_eq=target, bounds=(0, None), method="highs")
        assert row.hull_energy_ev_per_fu == pytest.approx(cheapest.fun, abs=1e-8)
        assert row.e_hull_ev_per_fu == pytest.approx(row.energy_ev_per_fu - cheapest.fun, abs=1e-8)
        assert row.is_stable == (row.energy_ev_per_fu - cheapest.fun < 1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_equals_pymatgen_binary_and_ternary(seed):
    rng = np.random.default_rng(seed)
    for n_ends, elements in ((2, ["Na", "K"]), (3, ["Na", "K", "Rb"])):
        shares, phases = random_phases(rng, n_ends, 12)
        entries = [
            PDEntry(Composition(dict(zip(elements, row, strict=True))), phase.energy_ev_per_fu)
            for row, phase in zip(shares, phases, strict=True)
        ]
        diagram = PhaseDiagram(entries)
        for row, entry in zip(mixing_hull(phases, ENDS[:n_ends]).rows, entries, strict=True):
            assert row.e_hull_ev_per_fu == pytest.approx(diagram.get_e_above_hull(entry), abs=1e-7)
            assert row.formation_energy_ev_per_fu == pytest.approx(diagram.get_form_energy_per_atom(entry), abs=1e-7)


def test_equals_compound_phase_diagram():
    """pymatgen's own reduction to end members, on the paper's compositions."""
    rng = np.random.default_rng(7)
    grid = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0, 0.5), (0.5, 0.5, 0), (0, 0.5, 0.5), (0.25, 0.25, 0.5)]
    phases = [Phase(str(shares), mixture(shares), -30 + 0.1 * rng.normal()) for shares in grid]
    entries = [
        PDEntry(Composition({k: 4 * v for k, v in p.amounts.items()}), 4 * p.energy_ev_per_fu, name=p.formula)
        for p in phases
    ]
    reference = CompoundPhaseDiagram(entries, [Composition(end) for end in ENDS], normalize_terminal_compositions=False)
    above = {entry.name: reference.get_e_above_hull(entry) for entry in reference.all_entries}
    for row in mixing_hull(phases, ENDS).rows:
        assert row.e_hull_ev_per_fu == pytest.approx(above[row.formula], abs=1e-8)


def test_units_by_hand():
    """A mixture 60 meV per formula unit above the line between its ends, 10 atoms in a formula unit."""
    phases = [
        Phase("Li3InCl6", mixture((1, 0, 0)), -30.0),
        Phase("Li3InBr6", mixture((0, 1, 0)), -26.0),
        Phase("Li3InBr3Cl3", mixture((0.5, 0.5, 0)), -27.94),
        Phase("Li3InBr1.5Cl4.5", mixture((0.75, 0.25, 0)), -29.1),
    ]
    hull = mixing_hull(phases, ENDS[:2])
    middle = hull.row("Li3InBr3Cl3")
    assert middle.formation_energy_ev_per_fu == pytest.approx(0.06)
    assert middle.formation_energy_ev_per_atom == pytest.approx(0.006)
    # The stable quarter lowers the hull under it: 1/3 Li3InBr6 + 2/3 Li3InBr1.5Cl4.5.
    assert middle.e_hull_ev_per_fu == pytest.approx(0.06 + 0.1 * 2 / 3)
    assert middle.e_hull_ev_per_atom == pytest.approx((0.06 + 0.1 * 2 / 3) / 10)
    assert middle.decomposition == pytest.approx({"Li3InBr6": 1 / 3, "Li3InBr1.5Cl4.5": 2 / 3})
    assert [row.is_stable for row in hull.rows] == [True, True, False, True]
    assert hull.tie_lines == [("Li3InBr1.5Cl4.5", "Li3InBr6"), ("Li3InBr1.5Cl4.5", "Li3InCl6")]


def test_shares():
    assert mixing_shares(mixture((0.25, 0.25, 0.5)), ENDS) == pytest.approx([0.25, 0.25, 0.5])


@pytest.mark.parametrize(
    ("amounts", "ends", "message"),
    [
        ({"Li": 3, "Sc": 1, "Cl": 6}, ENDS, "Sc differs"),
        ({"Li": 3, "Y": 1, "Cl": 6}, ENDS, "outside the end members.*-1 of Li3InBr6"),
        ({"Li": 6, "In": 2, "Cl": 12}, ENDS, "holds 2 formula units"),
        ({"Li": 3, "In": 1, "Cl": 6}, [*ENDS, "Li3InBr3Cl3"], "not independent"),
        ({"Li": 3, "In": 1, "Cl": 6}, ["Li3InCl6", "Foo%"], "end member 'Foo%' is no formula"),
        ({"Li": 3, "In": 1, "Cl": 6}, ["Li3InCl6", ""], "end member '' is no formula"),
        ({}, ENDS, "an empty composition holds 0 formula units"),
    ],
)
def test_end_members_that_do_not_span(amounts, ends, message):
    with pytest.raises(CompositionError, match=message):
        mixing_shares(amounts, ends)


def test_one_composition_is_its_own_hull():
    hull = mixing_hull([Phase("Li3InCl6", mixture((1, 0, 0)), -30.0)], ["Li3InCl6"])
    (row,) = hull.rows
    assert (row.hull_energy_ev_per_fu, row.e_hull_ev_per_fu, row.formation_energy_ev_per_fu) == (-30.0, 0.0, 0.0)
    assert row.is_stable
    assert hull.tie_lines == []


def test_bad_input_names_the_culprit():
    chloride = Phase("Li3InCl6", mixture((1, 0, 0)), -30.0)
    bromide = Phase("Li3InBr6", mixture((0, 1, 0)), -26.0)
    middle = Phase("Li3InBr3Cl3", mixture((0.5, 0.5, 0)), float("nan"))
    with pytest.raises(InputError, match="at least two compositions"):
        mixing_hull([chloride], ENDS[:2])
    with pytest.raises(InputError, match="at least two compositions"):
        mixing_hull([chloride, bromide], ENDS[:1])
    with pytest.raises(InputError, match="Li3InBr3Cl3 is nan"):
        mixing_hull([chloride, bromide, middle], ENDS[:2])
    with pytest.raises(InputError, match="more than once"):
        mixing_hull([chloride, bromide, bromide], ENDS[:2])
    with pytest.raises(CompositionError, match="end member Li3YBr6 has no energy"):
        mixing_hull([chloride, bromide], ENDS)
