import matplotlib as mpl
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.blobs import Blob
from disolyte.diffusion.pathways import describe_mechanism, ordering_of
from disolyte.diffusion.schedule import MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionMDDoc, RunFrames, RunRecord
from disolyte.dynamics.watchdog import Reason, Verdict
from disolyte.errors import InputError
from disolyte.models.schema import ModelIdentity
from disolyte.plots import plot_density, plot_isosurface, plot_jump_network, plot_rdf

CAVEAT = "positions made up for a test"
HOST = Structure(Lattice.cubic(5.0), ["Li", "Li", "Cl"], [[0, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]])
N_FRAMES = 600


def frames(rng, cell, share):
    """Ions that swap between the two kinds of sites along z, over a few frames."""
    start = cell.cart_coords
    mobile = np.array([site.specie.symbol == "Li" for site in cell])
    steps = (rng.random((N_FRAMES, int(mobile.sum()))) < share) * rng.choice([-1, 1], (N_FRAMES, int(mobile.sum())))
    heights = np.cumsum(steps, axis=0) * 2.5
    heights = np.stack([np.convolve(np.pad(one, 3, mode="edge"), np.full(7, 1 / 7), "valid") for one in heights.T], 1)
    positions = np.repeat(start[None], N_FRAMES, axis=0)
    positions[:, mobile, 2] += heights
    return (positions + rng.normal(scale=0.15, size=positions.shape)).astype(np.float32)


def record(temperature_k, reason=Reason.COMPLETED):
    return RunRecord(
        temperature_k=temperature_k,
        seed=0,
        verdict=Verdict(reason=reason, step=10),
        engine="made up",
        n_steps=10,
        time_step_fs=1.0,
        frame_interval_fs=50.0,
        discarded_ps=0.0,
        n_frames=N_FRAMES,
        mean_temperature_k=temperature_k,
        energy_drift_ev_per_atom_per_ps=0.0,
        wall_s=0.0,
    )


@pytest.fixture(scope="module")
def md():
    rng = np.random.default_rng(0)
    cell = HOST.copy()
    cell.make_supercell([2, 2, 2])
    runs = [
        RunFrames(record=record(t), positions_ang=Blob.from_array(frames(rng, cell, share)))
        for t, share in ((600.0, 0.002), (800.0, 0.01))
    ]
    broken = RunFrames(record=record(900.0, Reason.TOO_CLOSE), positions_ang=runs[0].positions_ang)
    return DiffusionMDDoc(
        point=None,
        formula="Li2Cl",
        supercell=cell,
        supercell_size=(2, 2, 2),
        mobile=MobileIon(element="Li"),
        schedule=MDSchedule(),
        runs=[*runs, broken],
        model=ModelIdentity(name="made up", sha256="0"),
    )


@pytest.fixture(scope="module")
def doc(md):
    return describe_mechanism(md, HOST, None, {"caveats": [CAVEAT], "provenance": md.provenance}, 0)


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def test_document(doc, md):
    assert [one.temperature_k for one in doc.temperatures] == [600.0, 800.0]
    assert doc.left_out == ["900 K is left out: MD stopped at step 10: atoms too close"]
    cold, hot = doc.temperatures
    assert {site.label for site in hot.sites} == {"1a", "1b"}
    assert hot.concert.n_jumps > 2 * cold.concert.n_jumps
    density = hot.density.to_array()
    volume = abs(np.linalg.det(hot.lattice_ang))
    assert density.mean() * volume == pytest.approx(2.0, rel=1e-4)
    assert [path.axis for path in hot.paths] == ["c"]
    assert hot.paths[0].barrier_ev > 0
    again = type(doc).model_validate(doc.model_dump())
    assert again.at(800.0) == hot
    assert again.at(700.0) is None


def test_ordering_is_taken_for_the_host_if_none_is_given(md):
    ordering = ordering_of(md)
    assert ordering.composition == HOST.composition
    assert ordering.lattice.abc == pytest.approx((5.0, 5.0, 5.0))
    assert ordering.get_neighbor_list(1.0)[0].size == 0


def test_density_shows_three_views_with_sites(doc):
    figure = plot_density(doc, 800.0)
    found = texts(figure)
    assert {"along $a$", "along $b$", "along $c$", "1 × 1a", "1 × 1b"} <= set(found)
    assert any("Å$^{-3}$" in text for text in found)
    assert any(CAVEAT in text for text in found)
    with pytest.raises(InputError, match="600, 800 K"):
        plot_density(doc, 900.0)


def test_isosurface_says_its_level_and_volume(doc):
    found = texts(plot_isosurface(doc, 800.0))
    share = doc.at(800.0).share_above_isosurface
    assert any("1e-04" in text and f"{share:.0%} of the volume" in text for text in found)


def test_jump_network_shows_rates_and_stays(doc):
    one = doc.at(800.0)
    found = texts(plot_jump_network(doc, 800.0))
    rate = next(rate for rate in one.rates if (rate.start, rate.end) == ("1a", "1b"))
    assert f"{rate.rate_per_ps:.2g}" in found
    assert any("stay" in text and "per site" in text for text in found)
    assert any("interplane" in text for text in found)


def test_radial_distributions_of_all_temperatures(doc):
    figure = plot_rdf(doc)
    assert [axes.get_title() for axes in figure.axes] == ["Li–Cl", "Li–Li"]
    assert all(len(axes.get_lines()) == 3 for axes in figure.axes)
