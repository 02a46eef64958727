"""GEMDAT as a second opinion where it is right, and why it is not used where it is wrong."""

import numpy as np
import pytest
from pymatgen.core import Element

from disolyte.diffusion import probability_density
from disolyte.diffusion.hopping import jump_rates
from disolyte.diffusion.mechanism import analyse_mechanism
from disolyte.diffusion.sites import HostSites

gemdat = pytest.importorskip("gemdat")

FRAME_FS, EDGE = 50.0, 12.0
SITES = np.array([[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]])


@pytest.fixture(scope="module")
def two_sites():
    """Eight ions, each in a cell of its own in effect: they swap between two sites, 1 % of them in every frame."""
    rng = np.random.default_rng(0)
    n_frames, n_ions = 3000, 8
    on = rng.integers(0, 2, n_ions) + np.cumsum(rng.random((n_frames, n_ions)) < 0.01, axis=0)
    mobile = SITES[on % 2] * EDGE + rng.normal(scale=0.3, size=(n_frames, n_ions, 3))
    still = np.broadcast_to(rng.random((4, 3)) * EDGE, (n_frames, 4, 3))
    return np.concatenate([mobile, still], axis=1), ["Li"] * n_ions + ["Cl"] * 4, int((on[-1] - on[0]).sum())


@pytest.fixture
def trajectory(two_sites):
    positions, species, _ = two_sites
    return gemdat.Trajectory(
        species=[Element(symbol) for symbol in species],
        coords=np.mod(positions / EDGE, 1.0),
        lattice=EDGE * np.eye(3),
        time_step=FRAME_FS * 1e-15,
        constant_lattice=True,
        metadata={"temperature": 600.0},
    )


def test_density_agrees(two_sites, trajectory):
    positions, species, _ = two_sites
    volume = gemdat.trajectory_to_volume(trajectory.filter("Li"), resolution=0.5)
    ours = probability_density(positions, species, EDGE * np.eye(3), mobile="Li", spacing_ang=0.5)
    assert ours.dims == volume.data.shape
    assert np.abs(ours.counts.sum(axis=0) - volume.data).sum() < 0.01 * volume.data.sum()


def test_jumps_and_rates_agree(two_sites, trajectory):
    from gemdat import Transitions
    from pymatgen.core import Lattice, Structure

    positions, species, n_jumps = two_sites
    sites = Structure(Lattice.cubic(EDGE), ["Li", "Li"], SITES, labels=["left", "right"])
    transitions = Transitions.from_trajectory(
        trajectory=trajectory, sites=sites, floating_specie="Li", site_radius=1.5, site_inner_fraction=0.5
    )
    theirs = len(transitions.jumps().data)
    host = HostSites(SITES, ("left", "right"), EDGE * np.eye(3))
    mechanism = analyse_mechanism(
        positions, species, EDGE * np.eye(3), host, mobile="Li", frame_interval_fs=FRAME_FS, temperature_k=600.0
    )
    assert theirs == pytest.approx(n_jumps, rel=0.05)
    assert len(mechanism.jumps.ion) == pytest.approx(n_jumps, rel=0.05)
    rate = next(rate for rate in jump_rates(mechanism.jumps) if (rate.start, rate.end) == ("left", "right"))
    low, high = rate.rate_ci95_per_ps
    assert low < 0.01 / (FRAME_FS / 1000) < high


@pytest.fixture
def walkers(walks):
    rng = np.random.default_rng(1)
    return walks.assemble(rng, walks.brownian(rng, 20, 4000, 3e-5))


def as_gemdat(displacements, species):
    coords = 10.0 + displacements
    return gemdat.Trajectory(
        species=[Element(symbol) for symbol in species],
        coords=np.mod(coords / 20.0, 1.0),
        lattice=20.0 * np.eye(3),
        time_step=20e-15,
        constant_lattice=True,
        metadata={"temperature": 600.0},
    )


def test_its_haven_ratio_lacks_the_number_of_ions(walkers, analyse):
    """Independent walkers have H_R = 1. GEMDAT's centre of mass gives about N; ours covers 1."""
    from gemdat import TrajectoryMetrics

    displacements, species = walkers
    theirs = float(TrajectoryMetrics(as_gemdat(displacements, species).filter("Li")).haven_ratio(dimensions=3))
    assert theirs > 4
    low, high = analyse(displacements, species).haven_ratio_ci95
    assert low < 1 < high


def test_its_diffusivity_is_that_of_the_end_points(walks, analyse):
    """One origin, one lag: scatters many times as much as the slope over all origins."""
    from gemdat import TrajectoryMetrics

    rng = np.random.default_rng(2)
    theirs, ours = [], []
    for _ in range(25):
        displacements, species = walks.assemble(rng, walks.brownian(rng, 20, 800, 3e-5))
        metrics = TrajectoryMetrics(as_gemdat(displacements, species).filter("Li"))
        theirs.append(float(metrics.tracer_diffusivity(dimensions=3)) * 1e4 / 3e-5)
        ours.append(analyse(displacements, species).slope_diffusivity_cm2_per_s / 3e-5)
    assert np.std(ours) < 0.6 * np.std(theirs)


def test_its_paths_wrap_all_axes_by_the_first():
    from gemdat.path import Pathway

    path = Pathway(sites=[(1, 15, 25)], energy=[0.0], dims=(10, 20, 30))
    assert path.wrapped_sites() == [(1, 5, 5)], "fixed upstream: the note in the reference can go"


def test_its_minimax_path_is_never_made():
    """The method's name is overwritten before it is looked at: the answer is that of Dijkstra's sum."""
    from gemdat.path import free_energy_graph, optimal_path

    energy = np.random.default_rng(3).random((6, 6, 6))
    graph = free_energy_graph(energy, max_energy_threshold=10.0)
    plain = optimal_path(graph, start=(0, 0, 0), stop=(3, 3, 3), method="dijkstra")
    minimax = optimal_path(graph, start=(0, 0, 0), stop=(3, 3, 3), method="minmax-energy")
    assert minimax.sites == plain.sites
