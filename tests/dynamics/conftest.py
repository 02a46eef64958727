"""Systems with known answers: copper in EMT on ASE, Lennard-Jones argon behind the interface of a MACE model."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

EPSILON_EV, SIGMA_ANG, CUTOFF_ANG = 0.0104, 3.4, 6.5
COLLAPSING = 55
"""Caesium attracts itself without limit here."""


class PairModule(torch.nn.Module):
    """Lennard-Jones with the energy shifted to zero at the cutoff, in the call signature of ScaleShiftMACE."""

    def __init__(self):
        super().__init__()
        self.atomic_numbers = torch.tensor([18, COLLAPSING])
        self.scale = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
        self.failure, self.n_failed = None, 0

    def fails(self, error, *, above, after_calls):
        """Raise ``error`` for batches of more than ``above`` systems, from the given call of such a batch on."""
        self.failure = [error, above, after_calls]

    def forward(self, graph, *, training, compute_force, compute_stress):
        if self.failure and len(graph["ptr"]) - 1 > self.failure[1]:
            self.failure[2] -= 1
            if self.failure[2] < 0:
                self.n_failed += 1
                raise self.failure[0]
        positions = graph["positions"].detach().requires_grad_()
        first, second = graph["edge_index"]
        vectors = positions[second] - positions[first] + graph["shifts"]
        sixth = (SIGMA_ANG**2 / vectors.square().sum(dim=1)) ** 3
        shift = (SIGMA_ANG / CUTOFF_ANG) ** 12 - (SIGMA_ANG / CUTOFF_ANG) ** 6
        collapse = graph["node_attrs"][:, 1]
        repulsion = 1.0 - 2.0 * collapse[first] * collapse[second]
        pairs = 2.0 * EPSILON_EV * (repulsion * sixth**2 - sixth - shift)
        energy = torch.zeros(len(graph["ptr"]) - 1, dtype=torch.float64).index_add(0, graph["batch"][first], pairs)
        (gradient,) = torch.autograd.grad(energy.sum(), positions)
        return {"energy": energy.detach(), "forces": -gradient}


class PairModel:
    """What the engine uses of a LoadedModel."""

    name, sha256, device, dtype, r_max_ang = "lennard-jones", "0" * 64, "cpu", "float64", CUTOFF_ANG

    def __init__(self):
        self.module = PairModule()

    def check_elements(self, structures):
        pass

    def calculator(self):
        from ase.calculators.lj import LennardJones

        return LennardJones(epsilon=EPSILON_EV, sigma=SIGMA_ANG, rc=CUTOFF_ANG, smooth=False)


class MinimalImageLJ(Calculator):
    """Lennard-Jones for small orthorhombic cells in plain NumPy: thirty times as fast as EMT."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        lengths = self.atoms.cell.lengths()
        vectors = self.atoms.positions[:, None] - self.atoms.positions[None]
        vectors -= lengths * np.round(vectors / lengths)
        squared = np.sum(vectors**2, axis=2) + np.eye(len(atoms)) * 1e9
        inside = squared < min(lengths / 2) ** 2
        sixth = np.where(inside, (SIGMA_ANG**2 / squared) ** 3, 0.0)
        energy = 2.0 * EPSILON_EV * np.sum(sixth**2 - sixth)
        slope = 24.0 * EPSILON_EV * (2.0 * sixth**2 - sixth) / squared
        self.results = {"energy": energy, "forces": np.sum(slope[:, :, None] * vectors, axis=1)}


@pytest.fixture
def fast_argon():
    return MinimalImageLJ()


@pytest.fixture
def argon_model():
    return PairModel()


@pytest.fixture
def argon():
    """32 atoms of solid argon, off their sites."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat((2, 2, 2))
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.fixture
def collapsing(argon):
    """The same, with two caesium atoms as neighbours."""
    numbers = argon.numbers.copy()
    numbers[:2] = COLLAPSING
    argon = argon.copy()
    argon.numbers = numbers
    argon.positions[1] += 0.35 * (argon.positions[0] - argon.positions[1])
    return argon


@pytest.fixture
def copper() -> Atoms:
    """32 atoms of copper."""
    return bulk("Cu", "fcc", a=3.65, cubic=True).repeat((2, 2, 2))


@pytest.fixture
def same_arrays():
    """Compare two runs bit by bit."""

    def compare(first, second):
        assert first.verdict == second.verdict
        assert first.last.end.rng_state == second.last.end.rng_state
        for name in ("steps", "energies_ev", "temperatures_k"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(first.positions_ang(), second.positions_ang())
        np.testing.assert_array_equal(first.last.end.positions_ang, second.last.end.positions_ang)
        np.testing.assert_array_equal(first.last.end.momenta, second.last.end.momenta)

    return compare
