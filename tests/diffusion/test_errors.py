"""Input from which nothing can be had is refused, with value, limit and remedy."""

import numpy as np
import pytest

from disolyte.errors import TransportError


@pytest.fixture
def good(walks):
    return walks.assemble(np.random.default_rng(0), walks.brownian(np.random.default_rng(1), 6, 200, 1e-4))


def test_wrapped_coordinates(good, analyse):
    displacements, species = good
    wrapped = np.mod(displacements, 20.0)
    analyse(displacements, species)
    with pytest.raises(TransportError, match="wrapped"):
        analyse(wrapped, species)


def test_wrapped_coordinates_in_an_oblique_cell(good, analyse):
    displacements, species = good
    lattice = np.array([[12.0, 0, 0], [6, 11, 0], [5, 3, 10]])
    fractional = np.mod(displacements @ np.linalg.inv(lattice), 1.0)
    analyse(displacements, species, lattice_ang=lattice)
    with pytest.raises(TransportError, match="wrapped"):
        analyse(fractional @ lattice, species, lattice_ang=lattice)


def test_nan(good, analyse):
    displacements, species = good
    displacements[77, 3, 1] = np.nan
    with pytest.raises(TransportError, match="frame 77"):
        analyse(displacements, species)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[0], "shape"),
        (lambda d: d[..., :2], "shape"),
        (lambda d: d[:, :-1], "species"),
        (lambda d: d[:1], "1 frame"),
        (lambda d: d[:0], "0 frame"),
        (lambda d: d.astype(complex), "real"),
    ],
)
def test_shapes(good, analyse, change, message):
    displacements, species = good
    with pytest.raises(TransportError, match=message):
        analyse(change(displacements), species)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mobile": "Na"}, "no mobile ions"),
        ({"mobile": "Xx"}, "names no element"),
        ({"charge": 0}, "charge"),
        ({"charge": float("nan")}, "charge"),
        ({"temperature_k": 0.0}, "above 0 K"),
        ({"temperature_k": -300.0}, "above 0 K"),
        ({"frame_interval_fs": 0.0}, "above 0 fs"),
        ({"lattice_ang": np.ones((3, 3))}, "cell vectors"),
        ({"lattice_ang": np.ones(3)}, "cell vectors"),
        ({"lattice_ang": np.diag([20.0, np.nan, 20.0])}, "cell vectors"),
        ({"lattice_ang": np.diag([20.0, np.inf, 20.0])}, "cell vectors"),
        ({"temperature_k": float("inf")}, "above 0 K"),
        ({"frame_interval_fs": float("nan")}, "above 0 fs"),
        ({"charge": None}, "charge must be a number"),
        ({"temperature_k": "600"}, "temperature_k must be a number"),
        ({"seed": None}, "seed"),
        ({"seed": -1}, "seed"),
        ({"lattice_ang": object()}, "cell vectors"),
    ],
)
def test_arguments(good, analyse, arguments, message):
    with pytest.raises(TransportError, match=message):
        analyse(*good, **arguments)


def test_frames_of_unequal_size(analyse):
    with pytest.raises(TransportError, match="shape"):
        analyse([[[[1.0, 2.0, 0.0]], [[1.0, 2.0]]]], ["Li"])


def test_no_runs(analyse):
    with pytest.raises(TransportError, match="no runs"):
        analyse([], ["Li"])


def test_decorated_species_and_pymatgen_species_are_understood(good, analyse):
    from pymatgen.core import Species

    displacements, species = good
    plain = analyse(displacements, species)
    charged = analyse(displacements, ["Li+" if s == "Li" else s for s in species])
    objects = analyse(displacements, [Species(s, 1) for s in species])
    assert plain.diffusivity_cm2_per_s == charged.diffusivity_cm2_per_s == objects.diffusivity_cm2_per_s


def test_only_mobile_ions_have_no_frame_of_reference(walks, analyse):
    rng = np.random.default_rng(2)
    displacements = walks.brownian(rng, 20, 500, 1e-4).transpose(2, 0, 1)
    result = analyse(displacements, ["Li"] * 20)
    assert "not removed" in result.drift_reference
    assert result.framework_msd_ang2 == {}
