"""Results of several phases and models of one composition stay apart."""

import numpy as np
import pytest
from monty.json import jsanitize
from pymatgen.core import Lattice, Structure

from disolyte.blobs import Blob
from disolyte.diffusion.gates import TrustGates
from disolyte.diffusion.makers import DiffusionMaker
from disolyte.diffusion.schedule import MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionMDDoc, RunFrames, RunRecord
from disolyte.diffusion.summary import TableTemperatures, summarise_transport
from disolyte.dynamics.watchdog import Reason
from disolyte.dynamics.watchdog import Verdict as RunVerdict
from disolyte.errors import ResultsError, TransportError
from disolyte.models.schema import ModelIdentity
from disolyte.results import Results, summarise
from disolyte.results.report import draw_figures, render_report
from disolyte.results.summary import mark_models
from disolyte.results.tables import make_table

N_FRAMES = 300
CELL = Structure(
    Lattice.cubic(10.0),
    ["Li"] * 6 + ["Cl"] * 6,
    np.random.default_rng(0).random((12, 3)),
)


def transport(seed, phase, model):
    """A random walk of the lithium ions at one temperature."""
    rng = np.random.default_rng(seed)
    positions = np.repeat(CELL.cart_coords[None], N_FRAMES, axis=0) + rng.normal(scale=0.05, size=(N_FRAMES, 12, 3))
    positions[1:, :6] += np.cumsum(rng.normal(scale=0.3, size=(N_FRAMES - 1, 6, 3)), axis=0)
    record = RunRecord(
        temperature_k=800.0,
        seed=seed,
        verdict=RunVerdict(reason=Reason.COMPLETED, step=1),
        engine="made up",
        n_steps=1,
        time_step_fs=1.0,
        frame_interval_fs=50.0,
        discarded_ps=0.0,
        n_frames=N_FRAMES,
        mean_temperature_k=800.0,
        energy_drift_ev_per_atom_per_ps=0.0,
        wall_s=0.0,
    )
    md = DiffusionMDDoc(
        point=None,
        formula="Li3PS4",
        phase=phase,
        supercell=CELL,
        supercell_size=(1, 1, 1),
        mobile=MobileIon(element="Li"),
        schedule=MDSchedule(),
        runs=[RunFrames(record=record, positions_ang=Blob.from_array(positions.astype(np.float32)))],
        model=ModelIdentity(name=model, sha256=model * 8),
    )
    fields = {"caveats": [], "provenance": md.provenance}
    return summarise_transport(md, fields, TrustGates(), TableTemperatures(), 0)


@pytest.fixture
def results(job_store):
    for number, what in enumerate([("α", "first"), ("β", "first"), ("α", "second"), ("β", "first")]):
        entry = {
            "uuid": f"job-{number}",
            "index": 1,
            "output": jsanitize(transport(number, *what).model_copy(update={"uuid": f"job-{number}"}), strict=True),
            "metadata": {"campaign": "mine"},
            "completed_at": f"2026-01-0{number + 1}T00:00:00",
        }
        job_store.update([entry], key=["uuid", "index"], save={"data": ["data"]})
    return Results(job_store, "mine")


def test_the_newest_of_each_phase_and_model(results):
    found = {(doc.phase, doc.model.name): doc.uuid for doc in results.transport("Li3PS4")}
    assert found == {("α", "first"): "job-0", ("α", "second"): "job-2", ("β", "first"): "job-3"}


def test_names_of_phases_are_short():
    with pytest.raises(TransportError, match="has 300 characters; give at most 60"):
        DiffusionMaker().make(Structure(Lattice.cubic(5), ["Li", "Cl"], [[0] * 3, [0.5] * 3]), phase="x" * 300)


def test_tables_and_pages_tell_them_apart(results):
    rows = summarise(results)
    assert {(row.label, row.model_mark) for row in rows} == {
        ("α Li3PS4", "firstf"),
        ("α Li3PS4", "second"),
        ("β Li3PS4", "firstf"),
    }
    assert mark_models(rows) == {"firstf": "first", "second": "second"}
    assert mark_models(rows[:1]) == {}
    assert results.diffusion("Li3PS4", 800, phase="β").provenance
    with pytest.raises(ResultsError, match="several fit: α Li3PS4 with first firstf, α Li3PS4 with second second"):
        results.diffusion("Li3PS4", 800, phase="α")
    assert results.diffusion("Li3PS4", 800, phase="α", model_sha256="second").model.name == "second"
    table = make_table(results, "temperatures")
    assert sorted(zip(table["phase"], table["model"], strict=True)) == [
        ("α", "first"),
        ("α", "second"),
        ("β", "first"),
    ]
    figures = list(draw_figures(results))
    assert len({figure.file_name for figure in figures}) == len(figures)
    (arrhenius,) = (figure for figure in figures if figure.name == "arrhenius")
    legend = [text.get_text() for text in arrhenius.figure.legends[0].get_texts()]
    assert sum(text.startswith("α Li$_{3}$PS$_{4}$, ") for text in legend) == 2
    assert len(set(legend)) == len(legend)
    page = render_report(results, figures)
    assert page.count("β Li<sub>3</sub>PS<sub>4</sub>") >= 2
