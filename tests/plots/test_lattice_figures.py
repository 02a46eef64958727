import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.errors import InputError
from disolyte.plots import plot_lattice_constants
from disolyte.systems import get_system
from disolyte.thermodynamics import MixingHull, PhaseDiagramDoc, RankAgreement, Relaxation
from disolyte.thermodynamics.schema import GroundState, LatticeConstants

STRUCTURE = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]])
AGREEMENT = RankAgreement(
    reference_model="m",
    kendall_tau=1.0,
    n_structures=1,
    ground_states_kept=1,
    n_compositions=1,
    mean_abs_difference_ev_per_atom=0.0,
)


def diagram(key, lattice_at, cell_model=None):
    """Phase diagram with the lattice constants ``lattice_at`` gives for coordinates; None for none."""
    states = []
    for point in get_system(key).points():
        parameters = lattice_at(point.coordinates)
        names = ("a_ang", "b_ang", "c_ang", "alpha_deg", "beta_deg", "gamma_deg", "volume_ang3_per_fu")
        lattice = parameters and LatticeConstants(**dict(zip(names, parameters, strict=True)), setting="parent")
        states.append(GroundState(point=point, structure=STRUCTURE, n_formula_units=2, lattice=lattice))
    return PhaseDiagramDoc(
        hull=MixingHull(end_members=[], rows=[]),
        ground_states=states,
        agreement=AGREEMENT,
        relaxation=Relaxation.CELL,
        cell_model=cell_model,
        model_name="by hand",
        model_sha256="0",
        caveats=["made up for a test"],
    )


def labels(figure):
    figure.draw_without_rendering()
    return [axes.get_ylabel() for axes in figure.axes if axes.axison]


def test_monoclinic_plane():
    """Two axes: a line for each y along x, the angle that varies, and a legend in the empty panel."""
    doc = diagram("liybc", lambda at: (6.4 + at["x"], 11.0, 6.4, 90, 109.8 - at["y"], 90, 200.0))
    figure = plot_lattice_constants(doc)
    assert labels(figure) == ["$a$ (Å)", "$b$ (Å)", "$c$ (Å)", "β (°)", "Volume (Å$^3$ / f.u.)"]
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].get_lines()}
    assert lines["$y$ = 1"] == pytest.approx(np.array([[x, 6.4 + x] for x in (0, 0.25, 0.5, 1)]))
    assert lines["$y$ = 0"].shape == (1, 2)
    along_y = plot_lattice_constants(doc, axis="y")
    assert "$x$ = 1" in {line.get_label() for line in along_y.axes[0].get_lines()}


@pytest.mark.parametrize(
    ("cell_model", "cells"), [("another", "cells relaxed with another"), (None, "cells as built, not relaxed")]
)
def test_title_says_where_the_cells_come_from(cell_model, cells):
    doc = diagram("lpsgo", lambda at: (1.0, 2.0, 3.0, 90, 90, 90, 6.0), cell_model)
    assert plot_lattice_constants(doc).get_suptitle() == f"Ground states of by hand, {cells}"


def test_equal_constants_share_a_panel():
    doc = diagram("nasicon", lambda at: (8.8 + at["x"], 8.8 + at["x"], 22.0, 90, 90, 120, 250.0))
    assert labels(plot_lattice_constants(doc)) == ["$a = b$ (Å)", "$c$ (Å)", "Volume (Å$^3$ / f.u.)"]
    doc = diagram("nasicon", lambda at: (8.8, 8.8, 8.8, 60 + at["x"], 60 + at["x"], 60 + at["x"], 250.0))
    assert labels(plot_lattice_constants(doc))[:2] == ["$a = b = c$ (Å)", "α = β = γ (°)"]


def test_bad_input():
    with pytest.raises(InputError, match="holds no lattice constants"):
        plot_lattice_constants(diagram("lpsgo", lambda at: None))
    doc = diagram("lpsgo", lambda at: (1.0, 2.0, 3.0, 90, 90, 90, 6.0))
    with pytest.raises(InputError, match=r"vary along \['x'\], not along 'z'"):
        plot_lattice_constants(doc, axis="z")
