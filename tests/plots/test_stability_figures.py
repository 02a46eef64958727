import matplotlib as mpl
import numpy as np
import pytest

from disolyte.blobs import Blob
from disolyte.dynamics import MDProtocol, Reason, Verdict, Watchdog
from disolyte.errors import InputError
from disolyte.finetuning.stability.schema import ModelStability, PairApproach, PairFloor, StabilityDoc, StabilityRun
from disolyte.models.schema import ModelIdentity
from disolyte.plots import plot_stability

PAIRS = [("Br", "Br"), ("Br", "In"), ("Br", "Li"), ("In", "In"), ("In", "Li"), ("Li", "Li")]
FLOORS = [PairFloor(elements=pair, floor_ang=2.0, labelled_ang=2.4) for pair in PAIRS]


def run(rng, *, fails):
    times = np.arange(0.0, 4.0 if fails else 20.0, 0.1)
    energies = rng.normal(0.0, 0.006, times.size)
    if fails:
        energies += 0.002 * np.exp(1.6 * times)
    message = "energy drift 1.20 eV/atom > 1.00 eV/atom"
    verdict = (
        Verdict(reason=Reason.ENERGY_DRIFT, step=4000, message=message)
        if fails
        else Verdict(reason=Reason.COMPLETED, step=20_000)
    )
    return StabilityRun(
        family="Li3InBr6-000",
        composition="Li3InBr6",
        n_atoms=20,
        verdict=verdict,
        simulated_ps=4.0 if fails else 20.0,
        energy_drift_ev_per_atom_per_ps=0.0,
        largest_energy_change_ev_per_atom=0.02,
        mean_temperature_k=800.0,
        pairs=[
            PairApproach(floor=floor, start_ang=2.6, shortest_ang=rng.uniform(2.1, 2.4) - (0.9 if fails else 0.0))
            for floor in FLOORS
        ],
        energies_ev_per_atom=Blob.from_array(np.stack([times, energies])),
    )


@pytest.fixture
def doc():
    rng = np.random.default_rng(0)
    models = [
        ModelStability(
            model=ModelIdentity(name=name, sha256="0" * 64),
            is_fine_tuned=not fails,
            runs=[run(rng, fails=fails and index != 1) for index in range(3)],
        )
        for name, fails in (("medium fine-tuned on VASP SCAN", False), ("MACE trained from scratch on VASP SCAN", True))
    ]
    return StabilityDoc(
        models=models,
        protocol=MDProtocol(temperature_k=800.0, n_steps=20_000),
        watchdog=Watchdog(),
        floors=FLOORS,
        caveats=["labels from a surrogate"],
    )


def test_verdicts_of_the_document(doc):
    tuned, scratch = doc.models
    assert (tuned.stable, tuned.n_failed, scratch.n_failed) == (True, 0, 2)
    failed = scratch.runs[0]
    assert failed.time_to_failure_ps == 4.0
    assert failed.reasons[0].startswith("energy drift: energy drift 1.20")
    assert any(reason.startswith("Br–Br at 1.") for reason in failed.reasons)
    assert tuned.runs[0].time_to_failure_ps is None


def test_shows_models_failures_and_floors(doc):
    figure = plot_stability(doc)
    figure.draw_without_rendering()
    shown = " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))
    for part in (
        "meV/atom",
        "Time (ps)",
        "Shortest distance / floor",
        "Li–Li",
        "0 of 3 runs failed",
        "2 of 3 runs failed",
    ):
        assert part in shown
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_xdata()[0] for line in crosses] == pytest.approx([3.9, 3.9])


def test_title_legend_and_note_do_not_overlap_and_ticks_are_enough(doc):
    figure = plot_stability(doc)
    figure.draw_without_rendering()
    energies = figure.axes[0]
    legend, boxes = energies.get_legend().get_window_extent(), [axes.get_window_extent() for axes in figure.axes]
    others = [text.get_window_extent() for text in (figure._suptitle, figure._supxlabel)]
    assert not any(legend.overlaps(box) for box in (*boxes, *others, energies.xaxis.label.get_window_extent()))
    low, high = energies.get_ylim()
    shown = [label.get_text() for label in energies.get_yticklabels() if low <= label.get_position()[1] <= high]
    assert len(shown) >= 6
    assert {"0", "10", "100"} <= set(shown)


def test_no_runs_are_refused(doc):
    with pytest.raises(InputError, match="no runs"):
        plot_stability(doc.model_copy(update={"models": []}))
