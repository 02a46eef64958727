"""The shipped model of all elements, on the shipped systems."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from disolyte.errors import ModelCoverageError
from disolyte.finetuning.reference.orderings import SystemOrderings
from disolyte.models import BROAD, SMALL_MODEL_CAVEAT, ModelSource, PackedModel, load_model
from disolyte.models.coverage import check_coverage
from disolyte.models.sources import SHIPPED_SHA256
from disolyte.systems import available_systems, get_system

ELEMENTS = {"Li", "Na", "Y", "Zr", "In", "Si", "P", "Ge", "O", "S", "Cl", "Br"}
DATA = Path(str(resources.files("disolyte.models") / "data"))
KEYS = (*available_systems(), "argyrodite")


@pytest.fixture(scope="module")
def model():
    return load_model(ModelSource(name=BROAD), dtype="float64")


@pytest.fixture(scope="module")
def orderings():
    return SystemOrderings(KEYS)


@pytest.fixture(scope="module")
def end_members(orderings):
    """One cold ordering of each end member of each system."""
    rng = np.random.default_rng(3)
    return [
        orderings.draw_at(key, point, rng, kt_ev=0.3)
        for key, system in orderings.systems.items()
        for point in system.end_member_points()
    ]


def test_knows_the_elements_of_all_systems_and_says_what_it_is(model):
    assert set(model.elements) == ELEMENTS
    assert model.caveats == [SMALL_MODEL_CAVEAT]
    for key in available_systems():
        check_coverage(ModelSource(name=BROAD), get_system(key).elements)
    with pytest.raises(ModelCoverageError, match="not made for K"):
        check_coverage(ModelSource(name=BROAD), ["K", "Cl"])


def test_is_small_and_holds_no_pickle():
    assert (DATA / f"{BROAD}.npz").stat().st_size < 300_000
    with np.load(DATA / f"{BROAD}.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


@pytest.mark.parametrize("name", list(SHIPPED_SHA256))
def test_shipped_files_are_those_whose_hash_is_recorded(name):
    packed = PackedModel.read(DATA / f"{name}.npz")
    packed.checked_weights()
    assert packed.sha256 == SHIPPED_SHA256[name]
    assert packed.sha256 in (DATA / f"{name}.md").read_text(encoding="utf-8")


def test_a_shipped_file_that_was_exchanged_is_refused(monkeypatch):
    from disolyte.errors import ModelIntegrityError

    monkeypatch.setitem(SHIPPED_SHA256, BROAD, "0" * 64)
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        load_model(ModelSource(name=BROAD))
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        check_coverage(ModelSource(name=BROAD), ["Li"])


def test_energies_of_all_end_members_are_finite_and_bound(model, end_members):
    predictions = model.predict(end_members)
    per_atom = predictions.energies_ev / [len(atoms) for atoms in end_members]
    assert len(end_members) >= 10
    assert np.all((per_atom > -9.0) & (per_atom < -2.5))
    assert all(np.isfinite(forces).all() for forces in predictions.forces_ev_per_ang)


def test_forces_are_minus_the_gradient_of_the_energy(model, end_members):
    rng = np.random.default_rng(5)
    for atoms in end_members[::3]:
        rattled = atoms.copy()
        rattled.positions += rng.normal(0.0, 0.05, rattled.positions.shape)
        forces = model.predict([rattled]).forces_ev_per_ang[0]
        direction = rng.normal(size=forces.shape)
        step = 1e-4 * direction / np.linalg.norm(direction)
        moved = [rattled.copy(), rattled.copy()]
        moved[0].positions += step
        moved[1].positions -= step
        up, down = model.predict(moved).energies_ev
        assert (down - up) / 2 == pytest.approx(float(np.sum(forces * step)), abs=1e-9, rel=1e-4)


def test_short_dynamics_keep_the_tetrahedra(model, orderings, tmp_path):
    """Every tetrahedron has four anions before and after half a picosecond at 800 K."""
    from disolyte.dynamics import MDProtocol, Thermostat, run_md

    rng = np.random.default_rng(6)
    cells = [
        orderings.draw_at(key, orderings.systems[key].point_at(coordinates), rng, kt_ev=0.3)
        for key, coordinates in (("nasicon", {"x": 2.0}), ("li3ps4-gamma", {}), ("li4geo4-cmcm", {}))
    ]
    protocols = [
        MDProtocol(temperature_k=800.0, n_steps=250, time_step_fs=2.0, thermostat=Thermostat.BUSSI, seed=i)
        for i in range(len(cells))
    ]
    fast = load_model(ModelSource(name=BROAD))
    for atoms, run in zip(cells, run_md(cells, protocols, fast, tmp_path), strict=True):
        assert run.verdict.completed
        after = atoms.copy()
        after.positions = run.positions_ang()[-1]
        assert _coordination(atoms) == _coordination(after) == {4}


def _coordination(atoms):
    symbols = np.array(atoms.get_chemical_symbols())
    first, second = neighbor_list("ij", atoms, {("P", "O"): 2.2, ("Si", "O"): 2.2, ("P", "S"): 2.8, ("Ge", "O"): 2.5})
    centres = np.flatnonzero(np.isin(symbols, ["P", "Si", "Ge"]))
    assert set(symbols[second[np.isin(first, centres)]]) <= {"O", "S"}
    return {int(np.sum(first == centre)) for centre in centres}
