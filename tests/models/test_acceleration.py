import copy

import numpy as np
import pytest
import torch
from ase import Atoms

from disolyte.models import ModelSource, acceleration, load_model
from disolyte.models.acceleration import accelerate, convert_to_cuequivariance, force_difference, in_double_precision
from disolyte.models.descriptors import describe_structures
from disolyte.models.loaded import LoadedModel


@pytest.fixture(scope="module")
def model():
    return load_model(ModelSource(name="disolyte-small"))


@pytest.fixture
def salt():
    """Eight ions of lithium chloride and bromide off their sites."""
    positions = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)]) * 2.6
    numbers = [17 if sum(site) % 2 else 3 for site in np.round(positions / 2.6).astype(int)]
    numbers[numbers.index(17)] = 35
    atoms = Atoms(numbers, positions, cell=np.eye(3) * 5.2, pbc=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def perturbed(module, device):
    module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.data *= 1.01
    return module


def failing(module, device):
    raise RuntimeError("no kernel for this GPU")


def test_nothing_happens_on_a_cpu(model, salt):
    assert accelerate(model, salt) is model


def test_kernels_need_a_gpu_and_both_packages(monkeypatch):
    installed = {"cuequivariance_torch", "cuequivariance_ops_torch"}
    monkeypatch.setattr(acceleration, "find_spec", lambda name: name if name in installed else None)
    assert acceleration.has_kernels("cuda:0")
    assert not acceleration.has_kernels("cpu")
    installed.remove("cuequivariance_ops_torch")
    assert not acceleration.has_kernels("cuda")


def test_kernels_that_agree_are_taken(model, salt, monkeypatch):
    monkeypatch.setattr(acceleration, "has_kernels", lambda device: True)
    monkeypatch.setattr(acceleration, "convert_to_cuequivariance", lambda module, device: copy.deepcopy(module))
    fast = accelerate(model, salt)
    assert fast.module is not model.module
    assert (fast.name, fast.sha256, fast.caveats) == (model.name, model.sha256, model.caveats)


@pytest.mark.parametrize(
    ("convert", "message"), [(perturbed, r"differ from e3nn's by .* eV/Å"), (failing, "no kernel for this GPU")]
)
def test_kernels_that_differ_or_fail_are_not(model, salt, monkeypatch, convert, message):
    monkeypatch.setattr(acceleration, "has_kernels", lambda device: True)
    monkeypatch.setattr(acceleration, "convert_to_cuequivariance", convert)
    with pytest.warns(UserWarning, match=message):
        assert accelerate(model, salt) is model


def test_cuequivariance_gives_the_same_forces(model, salt):
    """Where it is installed; without a GPU it runs on its own fall-backs."""
    pytest.importorskip("cuequivariance_torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    converted = convert_to_cuequivariance(copy.deepcopy(model.module).to(device), device)
    fast = LoadedModel(converted, name="fast", sha256="0" * 64, device=device)
    difference, allowed = force_difference(fast, model, salt)
    assert difference < 1e-5 < allowed


def test_double_precision_leaves_the_model_alone(model, salt):
    double = in_double_precision(model)
    assert next(double.module.parameters()).dtype is torch.float64
    assert next(model.module.parameters()).dtype is torch.float32
    difference, allowed = force_difference(model, double, salt)
    assert 0 < difference < 1e-4 < allowed


def test_descriptors_know_no_orientation_and_no_order(model, salt):
    turned = salt.copy()
    turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
    turned.positions += [0.3, -0.2, 5.1]
    shuffled = salt[np.random.default_rng(0).permutation(len(salt))]
    moved = salt.copy()
    moved.positions[0] += [0.3, 0, 0]
    rows = describe_structures(model, [salt, turned, shuffled, moved], batch_size=3)
    assert rows.shape == (4, 3 * 32)  # Li, Cl, Br; 16 scalars from each of two layers
    np.testing.assert_allclose(rows[1:3], rows[[0, 0]], atol=2e-5)
    assert np.abs(rows[3] - rows[0]).max() > 1e-3


def test_descriptors_of_different_compositions_share_columns(model, salt):
    pure = salt.copy()
    pure.numbers[pure.numbers == 35] = 17
    rows = describe_structures(model, [pure, salt]).reshape(2, 3, 32)
    assert not rows[0, 2].any()
    assert rows[1, 2].any()
