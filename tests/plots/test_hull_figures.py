import matplotlib as mpl
import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from disolyte.errors import InputError
from disolyte.plots import plot_formation_energy, plot_hull, plot_ternary_map, pretty_formula
from disolyte.systems import get_system
from disolyte.thermodynamics import Phase, SelectedStructure, SelectionDoc, mixing_hull

CAVEAT = "energies made up for a test"
LINE = {"Li3InCl6": -30.0, "Li3InBr1.5Cl4.5": -29.1, "Li3InBr3Cl3": -27.94, "Li3InBr6": -26.0}
PLANE = {**LINE, "Li3YBr6": -28.0, "Li3In0.5Y0.5Br6": -27.05, "Li3In0.5Y0.5Br4.5Cl1.5": -27.9}


def selection(energies, end_members, caveats=(CAVEAT,), system_key="liybc"):
    system = get_system(system_key)
    phases = [Phase(name, Composition(name).get_el_amt_dict(), energy) for name, energy in energies.items()]
    hull = mixing_hull(phases, end_members)
    structure = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]])
    entries = [
        SelectedStructure(
            structure=structure,
            point=system.point(row.formula),
            family=f"{row.formula}-{number:03d}",
            energy_ev_per_atom=0.0,
            energy_ev_per_fu=0.0,
            n_formula_units=1,
            e_hull_ev_per_fu=row.e_hull_ev_per_fu + 0.1 * number,
            e_hull_ev_per_atom=row.e_hull_ev_per_atom + 0.01 * number,
            probability=0.1,
            is_ground_state=number == 0,
        )
        for row in hull.rows
        for number in range(3)
    ]
    return SelectionDoc(
        entries=entries,
        hull=hull,
        temperature_k=800,
        n_requested=len(entries),
        n_candidates=len(entries),
        n_duplicates=0,
        relaxation="static",
        model_name="by hand",
        model_sha256="0",
        caveats=list(caveats),
    )


@pytest.fixture
def line():
    return selection(LINE, ["Li3InCl6", "Li3InBr6"])


@pytest.fixture
def plane():
    return selection(PLANE, ["Li3InCl6", "Li3InBr6", "Li3YBr6"])


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def overlapping(figure, axes):
    """Pairs of annotations whose boxes overlap."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    return [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if box.overlaps(other)]


def test_mixing_line(line):
    figure = plot_hull(line)
    axes = figure.axes[0]
    assert axes.get_ylabel() == "Formation energy $E_f$ (meV/atom)"
    curves = {curve.get_label(): curve.get_xydata() for curve in axes.get_lines()}
    # By hand: -100 meV per formula unit of 10 atoms at a quarter, on the hull; +60 meV at a half.
    assert curves["hull"] == pytest.approx(np.array([[0, 0], [0.25, -10], [0.5, -20 / 3], [1, 0]]), abs=1e-9)
    assert curves["lowest, above the hull"] == pytest.approx(np.array([[0.5, 6.0]]), abs=1e-9)
    (cloud,) = axes.collections
    assert sorted(cloud.get_offsets()[6:9, 1].tolist()) == pytest.approx([6.0, 16.0, 26.0])
    assert any(CAVEAT in text for text in texts(figure))


def test_hull_bends_per_atom_where_the_atoms_of_a_formula_unit_vary():
    """By hand: a straight line per formula unit, of 8 atoms at one end and 9 at the other."""
    energies = {"Li3PS4": 0.0, "Li3.25P0.75Ge0.25S3O": 0.1, "Li3.5P0.5Ge0.5S2O2": -0.85, "Li4GeO4": 0.0}
    figure = plot_hull(selection(energies, ["Li3PS4", "Li4GeO4"], system_key="lpsgo"))
    curves = {curve.get_label(): curve.get_xydata() for curve in figure.axes[0].get_lines()}
    assert curves["hull"] == pytest.approx(np.array([[0, 0], [0.25, -425 / 8.25], [0.5, -100], [1, 0]]), abs=1e-9)
    assert figure.get_suptitle() == "Hull of by hand"


def test_names_of_compositions_stay_on_the_figure():
    names = [point.formula for point in get_system("lpsgo").points()]
    shares = np.linspace(0, 1, len(names))
    energies = dict(zip(names, -4 * shares * (1 - shares), strict=True))
    figure = plot_hull(selection(energies, ["Li3PS4", "Li4GeO4"], system_key="lpsgo"))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for axes in figure.axes[0].child_axes for text in axes.get_xticklabels()]
    assert len(boxes) == len(names)
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert max(box.y1 for box in boxes) <= figure.bbox.y1


def test_ternary_map(plane):
    figure = plot_hull(plane)
    found = texts(figure)
    assert any("E_\\mathrm{hull}" in text and "meV/atom" in text for text in found)
    for corner in plane.hull.end_members:
        assert pretty_formula(corner) in found
    assert {"stable", "metastable"} <= set(found)
    written = [text.get_text() for text in figure.axes[0].texts]
    heights = [f"{1e3 * row.e_hull_ev_per_atom:.0f}" for row in plane.hull.rows]
    assert sorted(written) == sorted([*heights, *(pretty_formula(corner) for corner in plane.hull.end_members)])
    assert overlapping(figure, figure.axes[0]) == []
    assert any(CAVEAT in text for text in found)


def test_colour_by_any_quantity(plane):
    figure = plot_ternary_map(
        plane, {"Li3InCl6": 0.5, "Li3YBr6": 0.05}, value_label="σ at 800 K (S/cm)", log_scale=True
    )
    found = texts(figure)
    assert "σ at 800 K (S/cm)" in found
    assert {"0.5", "0.05"} <= set(found)
    assert found.count("no value") == len(PLANE) - 2


def test_limits_are_no_values(plane):
    """A limit is written as one and lends no colour, however large it is."""
    values = {"Li3InCl6": 15.0, "Li3YBr6": 0.05, "Li3InBr6": 0.1}
    found = texts(plot_ternary_map(plane, values, value_label="σ", log_scale=True, upper_limits=["Li3InCl6"]))
    assert "< 15" in found
    assert {"0.05", "0.1"} <= set(found)
    figure = plot_ternary_map(plane, {"Li3InCl6": 15.0}, value_label="σ", log_scale=True, upper_limits=["Li3InCl6"])
    assert len(figure.axes) == 1
    assert {"< 15", "Numbers: σ"} <= set(texts(figure))


def test_unreliable_values_are_hatched_and_lend_no_colour(plane):
    values = {"Li3InCl6": 15.0, "Li3YBr6": 0.05, "Li3InBr6": 0.1}
    figure = plot_ternary_map(plane, values, value_label="σ", log_scale=True, unreliable=["Li3InCl6"], notes=["read"])
    found = texts(figure)
    assert {"unreliable", "15"} <= set(found)
    assert any(text.startswith("Note: read") for text in found)
    assert figure.get_suptitle().startswith("Rims and lines: hull of")
    assert figure.axes[1].get_ylim() == pytest.approx((0.05, 0.1)), "the scale is that of the others"
    figure = plot_ternary_map(plane, values, value_label="σ", log_scale=True, unreliable=list(values))
    assert len(figure.axes) == 1, "nothing is left to compare"
    assert "Numbers: σ" in texts(figure)
    assert "unreliable" not in texts(plot_hull(plane))


def test_values_all_alike_have_no_colour_bar():
    """Every composition stable: each is written as 0, and no scale runs up to a number that nothing has."""
    flat = selection({"Li3InCl6": -30.0, "Li3InBr6": -26.0, "Li3YBr6": -28.0}, ["Li3InCl6", "Li3InBr6", "Li3YBr6"])
    figure = plot_hull(flat)
    found = texts(figure)
    assert len(figure.axes) == 1
    assert found.count("0") == 3
    assert any(text.startswith("Numbers: Energy above the hull") for text in found)
    assert "metastable" not in found


def test_no_note_without_caveats():
    figure = plot_hull(selection(LINE, ["Li3InCl6", "Li3InBr6"], caveats=()))
    assert not any(text.startswith("Note") for text in texts(figure))


def test_nothing_global_is_touched(line, plane):
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    plot_hull(line)
    plot_hull(plane)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_bad_input(line, plane):
    with pytest.raises(InputError, match="plot_ternary_map"):
        plot_formation_energy(plane)
    with pytest.raises(InputError, match="plot_formation_energy"):
        plot_ternary_map(line)
    with pytest.raises(InputError, match="value_label"):
        plot_ternary_map(plane, {"Li3InCl6": 0.5})
    with pytest.raises(InputError, match="none of the values"):
        plot_ternary_map(plane, {"NaCl": 0.5}, value_label="a (b)")
