import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.blobs import Blob
from disolyte.diffusion.gates import TrustGates, Verdict
from disolyte.diffusion.references import PUBLISHED_LINES, ReferenceKind, ReferenceLine, published_lines
from disolyte.diffusion.schedule import MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionMDDoc, RunFrames, RunRecord
from disolyte.diffusion.summary import TableTemperatures, summarise_transport
from disolyte.dynamics.watchdog import Reason
from disolyte.dynamics.watchdog import Verdict as RunVerdict
from disolyte.errors import InputError, TransportError
from disolyte.models.schema import ModelIdentity
from disolyte.plots import TransportQuantity, plot_arrhenius, plot_msd, plot_planar_table
from disolyte.results.figures import narrow_png
from disolyte.units import BOLTZMANN_EV_PER_K

CAVEAT = "displacements made up for a test"
N_FRAMES, INTERVAL_FS = 300, 100.0
CELL = Structure(
    Lattice.cubic(12.0), ["Li"] * 24 + ["Cl"] * 24, np.random.default_rng(0).random((48, 3)), validate_proximity=False
)


def walk(diffusivity_cm2_per_s, seed, *, melted=False):
    """Random walk of the lithium ions; the framework shakes, or walks too."""
    rng = np.random.default_rng(seed)
    step = np.sqrt(2 * diffusivity_cm2_per_s * 10 * INTERVAL_FS)  # Å² per frame and direction: 1 cm²/s = 10 Å²/fs
    positions = np.repeat(CELL.cart_coords[None], N_FRAMES, axis=0)
    moving = slice(None) if melted else slice(0, 24)
    n_moving = 48 if melted else 24
    positions[1:, moving] += np.cumsum(rng.normal(scale=step, size=(N_FRAMES - 1, n_moving, 3)), axis=0)
    return positions + rng.normal(scale=0.05, size=positions.shape)


def transport(formula, activation_energy_ev, temperatures_k, *, prefactor=2e-3, melted=None, caveats=(CAVEAT,)):
    runs = []
    for index, temperature in enumerate(temperatures_k):
        diffusivity = prefactor * np.exp(-activation_energy_ev / BOLTZMANN_EV_PER_K / temperature)
        record = RunRecord(
            temperature_k=temperature,
            seed=index,
            verdict=RunVerdict(reason=Reason.COMPLETED, step=1),
            engine="made up",
            n_steps=1,
            time_step_fs=1.0,
            frame_interval_fs=INTERVAL_FS,
            discarded_ps=0.0,
            n_frames=N_FRAMES,
            mean_temperature_k=temperature,
            energy_drift_ev_per_atom_per_ps=0.0,
            wall_s=0.0,
        )
        positions = walk(diffusivity, index, melted=temperature == melted).astype(np.float32)
        runs.append(RunFrames(record=record, positions_ang=Blob.from_array(positions)))
    md = DiffusionMDDoc(
        point=None,
        formula=formula,
        supercell=CELL,
        supercell_size=(1, 1, 1),
        mobile=MobileIon(element="Li"),
        schedule=MDSchedule(),
        runs=runs,
        model=ModelIdentity(name="made up", sha256="0"),
    )
    fields = {"caveats": list(caveats), "provenance": md.provenance}
    return summarise_transport(md, fields, TrustGates(), TableTemperatures(), 0)


@pytest.fixture(scope="module")
def docs():
    return [
        transport("Li3InCl6", 0.25, [800.0, 900.0, 1000.0, 1100.0], prefactor=1e-2),
        transport("Li3YBr6", 0.45, [700.0, 900.0, 1100.0], prefactor=6e-3, melted=1100.0),
        transport("Li3In0.5Y0.5Br3Cl3", 0.9, [700.0, 800.0], prefactor=1e-3, caveats=("another caveat",)),
    ]


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("quantity", list(TransportQuantity))
def test_arrhenius_shows_every_run_with_its_verdict(docs, quantity):
    figure = plot_arrhenius(docs, quantity)
    axes = figure.axes[0]
    figure.draw_without_rendering()
    unit = {"diffusivity": "cm$^2$/s", "conductivity": "S/cm"}[quantity.value]
    assert f"({unit})" in axes.get_ylabel()
    assert axes.get_xlabel() == "1000 / T (1/K)"
    drawn = [container.lines[0] for container in axes.containers]
    runs = [run for doc in docs for run in doc.runs]
    assert len(drawn) == len(runs)
    for line, run in zip(drawn, runs, strict=True):
        value = run.diffusivity_cm2_per_s if quantity == "diffusivity" else run.conductivity_s_per_cm
        assert (line.get_xdata()[0], line.get_ydata()[0]) == pytest.approx((1000 / run.temperature_k, value))
        assert (line.get_markerfacecolor() != "white") == (run.verdict is Verdict.CONVERGED)
        assert (line.get_marker() == "x") == (run.exclusion is not None)
        low, high = axes.get_ylim()
        assert low < value < high


def test_line_of_conductivities_meets_the_table(docs):
    """The line in S/cm is that of the document, read off at a temperature between the points."""
    doc = docs[0]
    axes = plot_arrhenius([doc]).axes[0]
    curve = next(line for line in axes.get_lines() if len(line.get_xdata()) == 60)
    on_line = np.interp(1000 / 900.0, curve.get_xdata(), curve.get_ydata())
    run = doc.run_at(900.0)
    expected = run.conductivity_s_per_cm * doc.arrhenius.to_fit().extrapolate(900.0)[0] / run.diffusivity_cm2_per_s
    assert on_line == pytest.approx(expected, rel=2e-3)


def test_legend_and_note(docs):
    figure = plot_arrhenius(docs)
    found = legend(figure)
    energy = docs[0].activation_energy_ev
    assert any(f"$E_a$ = {energy:.2f} ± " in text for text in found)
    assert "left out: see the note" in found
    why = next(run.exclusion for run in docs[1].runs if run.exclusion)
    assert "framework" in why
    note = next(" ".join(text.split()) for text in texts(figure) if text.startswith("Note"))
    assert CAVEAT in note
    assert "another caveat" in note
    assert f"Li3YBr6 at 1100 K is left out: {why}" in note


def test_legend_lists_what_occurs(docs):
    """Without a converged or crossed-out point, nothing says what one would mean."""
    verdicts = {run.verdict for run in docs[2].runs}
    assert Verdict.CONVERGED not in verdicts
    found = legend(plot_arrhenius([docs[2]]))
    assert "converged" not in found
    assert not any("left out" in text for text in found)
    assert ("95 % upper limit" in found) == (Verdict.UPPER_LIMIT in verdicts)
    assert ("not converged" in found) == (Verdict.UNRELIABLE in verdicts)
    assert "converged" in legend(plot_arrhenius([docs[0]]))


@pytest.mark.parametrize("narrow", [False, True])
def test_figures_are_drawn_without_warnings(docs, narrow):
    """The layout asks the upper axis for its ticks before anything is drawn: a 0 on it would have no inverse."""
    figure = plot_arrhenius(docs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if narrow:
            assert narrow_png(figure).startswith(b"\x89PNG")
        else:
            figure.savefig(io.BytesIO(), format="png")


def test_msd(docs):
    figure = plot_msd(docs[1])
    mobile, framework = figure.axes
    assert mobile.get_ylabel() == "MSD (Å$^2$)"
    assert mobile.get_xlabel() == "Lag time (ps)"
    curves = docs[1].runs[0].curves.to_curves()
    line = mobile.get_lines()[0]
    assert line.get_xdata() == pytest.approx(curves.lag_fs / 1000)
    assert line.get_ydata() == pytest.approx(curves.tracer_ang2)
    assert len(framework.get_lines()) == 3
    labels = [text.get_text() for text in mobile.get_legend().get_texts()]
    assert labels[-1] == "1100 K, left out"
    assert any(CAVEAT in text for text in texts(figure))


def test_a_run_that_broke_off_is_told(docs):
    doc = docs[0]
    broken = RunVerdict(reason=Reason.TOO_CLOSE, step=9)
    runs = [run.model_copy(deep=True) for run in doc.runs]
    records = [record.model_copy(update={"verdict": broken}) for record in runs[0].md_runs]
    runs[0] = runs[0].model_copy(update={"exclusion": "MD stopped at step 9", "md_runs": records})
    figure = plot_msd(doc.model_copy(update={"runs": runs}))
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "800 K, broke off"
    note = next(" ".join(text.split()) for text in texts(figure) if text.startswith("Note"))
    assert "Li3InCl6 at 800 K is left out: MD stopped at step 9" in note


def test_nothing_to_draw():
    with pytest.raises(InputError, match="no transport documents"):
        plot_arrhenius([])


def test_reference_lines(docs):
    line = ReferenceLine(
        formula="Li3InCl6",
        kind=ReferenceKind.EXPERIMENT,
        activation_energy_ev=0.3,
        conductivity_s_per_cm=0.5,
        temperature_k=900.0,
        citation="made up",
    )
    figure = plot_arrhenius(docs, references=[line, *published_lines("Li3InCl6")])
    found = legend(figure)
    assert any("experiment: 0.30 eV" in text for text in found)
    assert any("AIMD: 0.20 eV, slope only" in text for text in found)
    drawn = [one for one in figure.axes[0].get_lines() if len(one.get_xdata()) == 50]
    assert len(drawn) == 3
    assert np.interp(1000 / 900.0, drawn[0].get_xdata(), drawn[0].get_ydata()) == pytest.approx(0.5, rel=2e-3)
    slope = np.diff(np.log(drawn[0].get_ydata() * 1000 / drawn[0].get_xdata()))[0] / np.diff(drawn[0].get_xdata())[0]
    assert slope * 1e3 * BOLTZMANN_EV_PER_K == pytest.approx(-0.3)
    with pytest.raises(InputError, match="conductivities"):
        plot_arrhenius(docs, TransportQuantity.DIFFUSIVITY, references=[line])


def test_a_slope_without_a_level_goes_through_the_middle_of_its_composition(docs):
    line = next(line for line in published_lines("Li3InCl6") if line.conductivity_s_per_cm is None)
    drawn = next(
        one for one in plot_arrhenius(docs, references=[line]).axes[0].get_lines() if len(one.get_xdata()) == 50
    )
    ours = next(one for one in plot_arrhenius(docs).axes[0].get_lines() if len(one.get_xdata()) == 60)
    middle = 1e3 * np.mean([1 / run.temperature_k for run in docs[0].runs if run.is_in_fit])
    assert np.interp(middle, drawn.get_xdata(), drawn.get_ydata()) == pytest.approx(
        np.interp(middle, ours.get_xdata(), ours.get_ydata()), rel=0.01
    )
    with pytest.raises(TransportError, match="slope but no conductivity"):
        line.conductivity_at(800.0)


def test_published_lines_say_where_they_are_from():
    assert len(PUBLISHED_LINES) >= 10
    assert all("10.1039/d5ta05321h" in line.citation for line in PUBLISHED_LINES)
    assert {line.kind for line in PUBLISHED_LINES} == set(ReferenceKind)


def test_planar_table(docs):
    doc = docs[0]
    cells = plot_planar_table(doc, [(0, 0, 1), (0, 1, 0), (1, 1, 1)]).axes[0].tables[0].get_celld()
    found = [cell.get_text().get_text() for cell in cells.values()]
    assert {"$ab$", "$ac$", "(1 1 1)"} <= set(found)
    value, std = doc.runs[0].plane((1, 1, 1))
    assert any(text.startswith(f"{1e6 * value:.0f}"[:2]) and "±" in text for text in found)
    assert std > 0
    with pytest.raises(InputError, match="Miller"):
        plot_planar_table(doc, [])
