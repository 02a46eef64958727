"""Density, sites, jumps and paths against motion whose answer is known."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.ndimage import uniform_filter1d

from disolyte.diffusion import probability_density
from disolyte.diffusion.hopping import concert, jump_rates, passages, residences
from disolyte.diffusion.jumps import Jumps
from disolyte.diffusion.landscape import find_basins, merge_basins
from disolyte.diffusion.mechanism import analyse_mechanism
from disolyte.diffusion.percolation import percolating_paths
from disolyte.diffusion.rdf import radial_distributions
from disolyte.diffusion.sites import HostSites, host_sites, place_host
from disolyte.errors import StructureError, TransportError
from disolyte.systems import disordered_structure, get_system
from disolyte.units import BOLTZMANN_EV_PER_K

FRAME_FS = 50.0
EDGE = 4.0
REPEATS = (3, 3, 3)
CELL = np.diag([EDGE] * 3) * np.array(REPEATS)[:, None]
# Two kinds of sites: A at the corner, B in the middle of the edge along z; chains A–B–A along z, A–A along x.
HOST = HostSites(np.array([[0.0, 0, 0], [0, 0, 0.5]]), ("1a", "1b"), np.eye(3) * EDGE, REPEATS)


def walk_on_sites(rng, n_ions=12, n_frames=12000, p_x=0.002, p_z=0.003, p_back=0.015, noise=0.25):
    """Ions that jump A→A along x, A→B along z and B→A along z with known probabilities per frame.

    Returns positions (n_frames, n_atoms, 3) with a still framework, species, and the numbers of jumps and frames.
    """
    position = rng.integers(0, 3, (n_ions, 3)).astype(float)
    counts = {"AA": 0, "AB": 0, "BA": 0}
    frames = {"A": 0, "B": 0}
    track = np.empty((n_frames, n_ions, 3))
    for frame in range(n_frames):
        on_b = position[:, 2] % 1 == 0.5
        frames["B"] += int(on_b.sum())
        frames["A"] += int((~on_b).sum())
        track[frame] = position
        draw, sign = rng.random(n_ions), rng.choice([-1, 1], n_ions)
        along_x, along_z = ~on_b & (draw < p_x), ~on_b & (draw >= p_x) & (draw < p_x + p_z)
        back = on_b & (draw < p_back)
        if frame < n_frames - 1:
            counts["AA"] += int(along_x.sum())
            counts["AB"] += int(along_z.sum())
            counts["BA"] += int(back.sum())
        position[along_x, 0] += sign[along_x]
        position[along_z | back, 2] += 0.5 * sign[along_z | back]
    # A jump takes a few frames.
    track = uniform_filter1d(track, 5, axis=0, mode="nearest")
    mobile = track * EDGE + rng.normal(scale=noise, size=track.shape)
    still = np.broadcast_to(rng.random((6, 3)) * 12, (n_frames, 6, 3))
    return np.concatenate([mobile, still], axis=1), ["Li"] * n_ions + ["Cl"] * 6, counts, frames


@pytest.fixture(scope="module")
def hopping():
    positions, species, counts, frames = walk_on_sites(np.random.default_rng(0))
    mechanism = analyse_mechanism(
        positions, species, CELL, HOST, mobile="Li", frame_interval_fs=FRAME_FS, temperature_k=600.0, hub="1a"
    )
    return mechanism, counts, frames


def test_sites_are_found_and_named(hopping):
    mechanism, _, frames = hopping
    assert sorted(mechanism.sites.labels) == ["1a", "1b"]
    assert mechanism.sites.unvisited == ()
    share = dict(zip(mechanism.sites.labels, mechanism.sites.occupancy, strict=True))
    assert share["1b"] / share["1a"] == pytest.approx(frames["B"] / frames["A"], rel=0.05)
    assert sum(share.values()) == pytest.approx(12 / 27)


def test_jump_matrix_and_rates_come_back(hopping):
    mechanism, counts, frames = hopping
    rates = {(rate.start, rate.end): rate for rate in mechanism.rates}
    for pair, key, start in ((("1a", "1a"), "AA", "A"), (("1a", "1b"), "AB", "A"), (("1b", "1a"), "BA", "B")):
        rate = rates[pair]
        # Two jumps of an ion in a row may be seen as one.
        assert rate.n_jumps == pytest.approx(counts[key], rel=0.06, abs=4)
        low, high = rate.rate_ci95_per_ps
        assert low < counts[key] / (frames[start] * FRAME_FS / 1000) < high
    assert rates["1b", "1b"].n_jumps == 0
    assert rates["1b", "1b"].rate_ci95_per_ps[1] > 0


def test_residence_times_come_back(hopping):
    mechanism, _, _ = hopping
    stays = {stay.label: stay for stay in mechanism.residences}
    for label, p in (("1a", 0.005), ("1b", 0.015)):
        low, high = stays[label].time_ci95_ps
        assert low < FRAME_FS / 1000 / p < high


def test_ways_between_visits(hopping):
    mechanism, _, _ = hopping
    ways = {way.path: way for way in mechanism.passages}
    assert set(ways) == {"1a–1a", "1a–1b–1a"}
    assert ways["1a–1a"].name == "intraplane"
    # Half of those that went to B come back to where they began.
    n_b = ways["1a–1b–1a"]
    assert n_b.n_returns == pytest.approx(n_b.n_passages, rel=0.35)
    # A→A makes 0.002 ways per frame, A→B→A' half of 0.003.
    low, high = ways["1a–1a"].share_ci95
    assert low < 4 / 7 < high
    assert sum(way.share for way in ways.values()) == pytest.approx(1.0)


def test_independent_ions_do_not_move_in_concert(hopping):
    found = hopping[0].concert
    assert abs(found.n_pairs - found.n_pairs_by_chance) < 4 * found.n_pairs_by_chance_std + 2


def test_paths_percolate_where_ions_go(hopping):
    paths = {path.axis: path for path in hopping[0].paths}
    assert 0 in paths
    assert 2 in paths
    assert 1 not in paths, "no ion was seen between two sites along b"
    labels = hopping[0].sites.labels
    assert [labels[site] for site in paths[0].basins] == ["1a", "1a"]
    assert sorted(labels[site] for site in paths[2].basins[:-1]) == ["1a", "1b"]
    assert abs(paths[2].winding[2]) == 1


def test_ions_that_jump_together_are_in_concert():
    rng = np.random.default_rng(1)
    n_pairs, n_frames = 40, 20000
    frame = np.repeat(np.sort(rng.integers(0, n_frames, n_pairs)), 2)
    ion = np.tile([0, 1], n_pairs)
    zeros = np.zeros((2 * n_pairs, 3), dtype=int)
    jumps = Jumps(ion, frame, zeros[:, 0], zeros[:, 0], zeros, zeros, np.ones((2, 1)), n_frames, ("x",), FRAME_FS)
    ends = np.zeros((2 * n_pairs, 2, 3))
    found = concert(jumps, ends, 12 * np.eye(3))
    assert found.n_pairs >= n_pairs
    assert found.share == 1.0
    assert found.share_by_chance < 0.15
    far = ends.copy()
    far[ion == 1] += 6.0
    assert concert(jumps, far, 12 * np.eye(3)).n_pairs == 0


def test_passages_and_rates_without_any_jump():
    empty = np.zeros(0, dtype=int)
    triples = np.zeros((0, 3), dtype=int)
    jumps = Jumps(empty, empty, empty, empty, triples, triples, np.full((2, 1), 50), 50, ("x",), FRAME_FS)
    assert passages(jumps, "x") == []
    assert concert(jumps, np.zeros((0, 2, 3)), np.eye(3)).n_pairs == 0
    assert residences(jumps, np.ones(1))[0].time_ps is None
    assert jump_rates(jumps)[0].n_jumps == 0


def cosine_density(barriers_ev, temperature_k, n=24):
    """Boltzmann density in Σ B_i (1 − cos 2πx_i)/2, normalised to one ion in a cell of 1 Å edges."""
    x = (np.arange(n) + 0.5) / n
    kt = BOLTZMANN_EV_PER_K * temperature_k
    parts = [np.exp(-b * (1 - np.cos(2 * np.pi * x)) / 2 / kt) for b in barriers_ev]
    density = np.einsum("i,j,k->ijk", *parts)
    return density / density.mean()


def test_barriers_of_a_known_potential():
    barriers, temperature = (0.10, 0.20, 0.30), 800.0
    density = cosine_density(barriers, temperature)
    landscape = merge_basins(find_basins(density))
    assert landscape.n_basins == 1
    blocks = np.repeat(density.reshape(1, -1), 4, axis=0)
    paths = percolating_paths(landscape, blocks, np.full(density.size, 1e6), temperature)
    assert [path.axis for path in paths] == [0, 1, 2]
    for path, barrier in zip(paths, barriers, strict=True):
        # A grid of 24 points has none at the top of the barrier and at the bottom of the well: 1.7 % in the energy.
        assert path.barrier_ev == pytest.approx(barrier, rel=0.02)
        assert path.basins == (0, 0)
        assert abs(path.winding[path.axis]) == 1
        assert path.barrier_std_ev < 0.01 * barrier


def test_bottleneck_is_the_best_way_and_not_the_straight_one():
    """Along x there is a direct way with a high pass and a detour through a second site with lower ones."""
    n = 40
    x, y = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(n) + 0.5) / n, indexing="ij")

    def well(cx, cy, width):
        dx, dy = np.abs(x - cx), np.abs(y - cy)
        return np.exp(-(np.minimum(dx, 1 - dx) ** 2 + np.minimum(dy, 1 - dy) ** 2) / (2 * width**2))

    plane = well(0.0, 0.25, 0.1) + 0.5 * well(0.5, 0.5, 0.12) + 1e-6
    density = np.repeat(plane[:, :, None], 4, axis=2)
    landscape = merge_basins(find_basins(density))
    paths = percolating_paths(
        landscape, np.repeat(density.reshape(1, -1), 3, axis=0), np.full(density.size, 1e3), 600.0
    )
    along_x = next(path for path in paths if path.axis == 0)
    assert len(along_x.basins) == 3
    assert len(set(along_x.basins)) == 2


def test_basins_do_not_depend_on_the_origin():
    rng = np.random.default_rng(3)
    from scipy.ndimage import gaussian_filter

    density = gaussian_filter(rng.random((16, 18, 20)) ** 4, 2.0, mode="wrap")
    first = find_basins(density)
    second = find_basins(np.roll(density, (5, 11, 3), axis=(0, 1, 2)))
    assert first.n_basins == second.n_basins > 3
    assert np.allclose(np.sort(first.saddle_density), np.sort(second.saddle_density))
    blocks = np.repeat(density.reshape(1, -1), 3, axis=0)
    shifted = np.repeat(np.roll(density, (5, 11, 3), axis=(0, 1, 2)).reshape(1, -1), 3, axis=0)
    ones = np.full(density.size, 1e3)
    for a, b in zip(
        percolating_paths(first, blocks, ones, 500.0), percolating_paths(second, shifted, ones, 500.0), strict=True
    ):
        assert a.axis == b.axis
        assert a.barrier_ev == pytest.approx(b.barrier_ev)


def test_barrier_error_covers_the_truth():
    """Independent draws from the density: the interval holds the known barrier, and narrows with the data."""
    from disolyte.diffusion.density import ProbabilityDensity

    rng = np.random.default_rng(4)
    truth = cosine_density((0.12, 0.5, 0.5), 800.0, n=12)
    scores, errors = [], []
    for visits in (20_000, 200_000):
        for _ in range(15):
            counts = rng.multinomial(visits, truth.ravel() / truth.sum(), size=8).reshape(8, *truth.shape)
            density = ProbabilityDensity(counts, np.full(8, visits), 3.0 * np.eye(3))
            landscape = merge_basins(find_basins(density.density_per_ang3), occupancy=None)
            keep = [np.arange(8) != b for b in range(8)]
            blocks = np.stack([density.of_blocks(one).ravel() for one in keep])
            paths = percolating_paths(landscape, blocks, counts.sum(0).ravel().astype(float), 800.0)
            path = next(one for one in paths if one.axis == 0)
            scores.append((path.barrier_ev - 0.12 * np.cos(np.pi / 12)) / path.barrier_std_ev)
            errors.append(path.barrier_std_ev)
    assert np.mean(np.abs(scores) < 2.5) > 0.75
    assert np.median(errors[15:]) < 0.5 * np.median(errors[:15])


def test_density_integrates_to_the_number_of_ions_and_ignores_drift():
    positions, species, _, _ = walk_on_sites(np.random.default_rng(5), n_frames=800)
    density = probability_density(positions, species, CELL, mobile="Li")
    assert density.density_per_ang3.sum() * density.voxel_ang3 == pytest.approx(12)
    folded = probability_density(positions, species, CELL, mobile="Li", fold=REPEATS)
    assert folded.density_per_ang3.sum() * folded.voxel_ang3 == pytest.approx(12 / 27)
    drift = np.linspace(0, 7, 800)[:, None, None] * np.array([1.0, -0.4, 0.2])
    moved = probability_density(positions + drift, species, CELL, mobile="Li")
    assert np.abs(moved.counts - density.counts).sum() <= 0.001 * density.counts.sum()
    pooled = probability_density([positions, positions], species, CELL, mobile="Li")
    assert pooled.n_mobile == pytest.approx(12)


def test_density_files_are_read_back(tmp_path):
    from ase.io.cube import read_cube
    from pymatgen.io.vasp import Chgcar

    positions, species, _, _ = walk_on_sites(np.random.default_rng(6), n_frames=400)
    density = probability_density(positions, species, CELL, mobile="Li", fold=REPEATS)
    host = Structure(Lattice.cubic(EDGE), ["Li"], [[0, 0, 0]])
    density.write_vasp(tmp_path / "CHGCAR.vasp", host)
    volume = Chgcar.from_file(tmp_path / "CHGCAR.vasp")
    assert volume.data["total"].sum() / volume.ngridpts == pytest.approx(12 / 27, rel=1e-6)
    density.write_cube(tmp_path / "density.cube", host)
    with (tmp_path / "density.cube").open() as stream:
        cube = read_cube(stream)
    assert cube["data"] == pytest.approx(density.density_per_ang3, abs=1e-5)
    assert cube["atoms"].cell.lengths() == pytest.approx([EDGE] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"fold": (0, 1, 1)}, "fold"), ({"spacing_ang": 0.0}, "spacing"), ({"spacing_ang": 0.01}, "voxels")],
)
def test_unfit_grids(change, message):
    positions, species, _, _ = walk_on_sites(np.random.default_rng(7), n_frames=50)
    with pytest.raises(TransportError, match=message):
        probability_density(positions, species, CELL, mobile="Li", **change)


def test_host_of_the_halides_has_its_wyckoff_labels():
    system = get_system("liybc")
    host = disordered_structure(system, system.point("Li3InCl6"))
    labels = host_sites(host, "Li").labels
    assert sorted(labels) == ["4g"] * 4 + ["4h"] * 4
    with pytest.raises(StructureError, match="no site with Na"):
        host_sites(host, "Na")


def test_host_is_placed_in_a_shifted_supercell():
    system = get_system("liybc")
    host = disordered_structure(system, system.point("Li3InCl6"))
    shift = np.array([0.03, -0.02, 0.05])
    simulated = Structure(host.lattice, [max(s.species).symbol for s in host], host.frac_coords + shift)
    simulated.make_supercell([2, 1, 2])
    placed = place_host(host, simulated, "Li")
    assert placed.repeats == (2, 1, 2)
    assert np.allclose(placed.lattice_ang, host.lattice.matrix)
    still = np.array([site.specie.symbol != "Li" for site in simulated])
    masses = np.array([float(site.specie.atomic_mass) for site in simulated]) * still
    centre = masses @ simulated.cart_coords / masses.sum()
    assert centre - placed.framework_centre_ang == pytest.approx(shift @ host.lattice.matrix, abs=1e-6)
    with pytest.raises(StructureError, match="does not repeat"):
        place_host(host, Structure(Lattice.cubic(11), ["Li", "Cl"], [[0, 0, 0], [0.5] * 3]), "Li")


def test_unknown_hub():
    positions, species, _, _ = walk_on_sites(np.random.default_rng(8), n_frames=100)
    with pytest.raises(TransportError, match="no position of the host"):
        analyse_mechanism(
            positions, species, CELL, HOST, mobile="Li", frame_interval_fs=50.0, temperature_k=600.0, hub="9z"
        )


def test_interstitials_are_named_and_passed_through():
    """With the B sites unknown to the host they are interstitials, and A–A along z goes through them."""
    positions, species, _, _ = walk_on_sites(np.random.default_rng(9), n_frames=4000)
    host = dataclasses.replace(HOST, fractional=HOST.fractional[:1], labels=("1a",))
    mechanism = analyse_mechanism(
        positions, species, CELL, host, mobile="Li", frame_interval_fs=FRAME_FS, temperature_k=600.0
    )
    assert sorted(mechanism.sites.labels) == ["1a", "interstitial"]
    direct = mechanism.jumps.without_interstitials()
    assert {direct.labels[site] for site in direct.end} == {"1a"}
    assert (np.abs(direct.shift[:, 2]) == 1).any()
    assert not ((direct.shift == 0).all(axis=1)).any()
    for one, two in pairwise(range(len(direct.ion))):
        if direct.ion[one] == direct.ion[two]:
            assert direct.frame[one] <= direct.frame[two]


def test_radial_distribution_of_a_crystal_and_of_a_gas():
    rng = np.random.default_rng(10)
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.0), ["Li", "Cl"], [[0] * 3, [0.5] * 3]) * (3, 3, 3)
    positions = crystal.cart_coords + rng.normal(scale=0.05, size=(20, len(crystal), 3))
    species = [site.specie.symbol for site in crystal]
    rdf = radial_distributions(positions, species, crystal.lattice.matrix, mobile="Li")
    assert rdf.first_peak_ang("Cl") == pytest.approx(2.5, abs=0.1)
    width = np.diff(rdf.distance_ang)[0]
    near = rdf.distance_ang < 3.2
    shell = 4 * np.pi * rdf.distance_ang**2 * width * 108 / crystal.volume
    assert (rdf.g["Cl"] * shell)[near].sum() == pytest.approx(6, rel=0.02)
    gas = rng.random((60, 100, 3)) * 12.0
    steps = np.repeat(gas[:1], 60, axis=0) + rng.normal(scale=0.8, size=gas.shape)
    ideal = radial_distributions(steps, ["Li"] * 50 + ["Cl"] * 50, 12.0 * np.eye(3), mobile="Li")
    assert ideal.g["Cl"][40:].mean() == pytest.approx(1.0, abs=0.12)
    with pytest.raises(TransportError, match="half of the cell"):
        radial_distributions(steps, ["Li"] * 100, 12.0 * np.eye(3), mobile="Li", max_distance_ang=7.0)
