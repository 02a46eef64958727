import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from disolyte.errors import CompositionError, InputError
from disolyte.thermodynamics import Phase
from disolyte.thermodynamics.competing import compete


def phase(formula, energy_ev_per_atom):
    amounts = Composition(formula).get_el_amt_dict()
    return Phase(formula, amounts, energy_ev_per_atom * sum(amounts.values()))


@pytest.mark.parametrize("seed", range(5))
def test_equals_pymatgen_with_elements(seed):
    """Random energies of a quaternary space; stable and unstable phases occur."""
    rng = np.random.default_rng(seed)
    system = ["Li3InCl6", "Li3InCl3Br3", "Li3InBr6", "Li2InCl5"]
    others = ["Li", "In", "Cl2", "Br2", "LiCl", "LiBr", "InCl3", "InBr3", "InCl"]
    formation = dict.fromkeys(others[:4], 0.0)
    phases = [phase(name, -1.5 + 0.3 * rng.normal()) for name in system]
    competing = [phase(name, formation.get(name, -1.4 + 0.3 * rng.normal())) for name in others]
    entries = {p.formula: PDEntry(Composition(dict(p.amounts)), p.energy_ev_per_fu) for p in [*phases, *competing]}
    diagram = PhaseDiagram(list(entries.values()))
    for row in compete(phases, competing):
        entry = entries[row.formula]
        assert row.e_hull_ev_per_atom == pytest.approx(diagram.get_e_above_hull(entry), abs=1e-7)
        assert row.e_hull_ev_per_fu == pytest.approx(row.e_hull_ev_per_atom * Composition(row.formula).num_atoms)
        assert row.formation_energy_ev_per_atom == pytest.approx(diagram.get_form_energy_per_atom(entry), abs=1e-9)
        found = Composition({})
        for name, amount in row.decomposition.items():
            found += Composition(name) * amount
        assert found.almost_equals(Composition(row.formula), rtol=1e-4)


def test_without_elements():
    """One reaction by hand: Li3InCl6 against 3 LiCl + InCl3, 10 atoms; 0.3 eV above."""
    rows = compete(
        [Phase("Li3InCl6", {"Li": 3, "In": 1, "Cl": 6}, -29.7)],
        [Phase("LiCl", {"Li": 1, "Cl": 1}, -6.0), Phase("InCl3", {"In": 1, "Cl": 3}, -12.0)],
    )
    assert rows[0].e_hull_ev_per_fu == pytest.approx(0.3)
    assert rows[0].e_hull_ev_per_atom == pytest.approx(0.03)
    assert rows[0].decomposition == pytest.approx({"LiCl": 3, "InCl3": 1})
    assert rows[0].formation_energy_ev_per_atom is None


def test_bad_input():
    good = phase("LiCl", -3.0)
    with pytest.raises(InputError, match="no competing phase"):
        compete([good], [])
    with pytest.raises(InputError, match="energy of InCl3 is nan"):
        compete([good], [phase("InCl3", float("nan"))])
    with pytest.raises(CompositionError, match=r"\['LiCl'\] are given more than once"):
        compete([good], [good])
