"""Ions that repel at short range and attract by charge: energy, forces and stress, the truth of stand-in labels."""

import itertools

import numpy as np

CHARGES = {"Li": 1.0, "Na": 1.0, "In": 3.0, "Y": 3.0, "Cl": -1.0, "Br": -1.0, "O": -2.0, "S": -2.0}
RADII_ANG = {"Li": 0.80, "Na": 1.05, "In": 0.90, "Y": 1.00, "Cl": 1.67, "Br": 1.80, "O": 1.30, "S": 1.70}
# what free atoms bring in, by functional, so that labels of two functionals are told apart
ATOM_ENERGIES_EV = {
    "SCAN": {"Li": -2.1, "Na": -2.3, "In": -6.0, "Y": -8.0, "Cl": -3.3, "Br": -3.0, "O": -5.0, "S": -4.5},
    "PBE": {"Li": -1.9, "Na": -1.3, "In": -2.5, "Y": -6.4, "Cl": -1.8, "Br": -1.6, "O": -4.4, "S": -3.9},
}
CUTOFF_ANG = 6.0
SOFTNESS_ANG = 0.33
REPULSION_EV = 0.1
COULOMB_EV_ANG = 6.0
SCREENING_ANG = 4.0


def pair_terms(distances, charge_product, contact):
    """Energy and its derivative for each pair; both go to zero at the cutoff."""
    r = distances
    repulsion = REPULSION_EV * np.exp((contact - r) / SOFTNESS_ANG)
    coulomb = COULOMB_EV_ANG * charge_product * np.exp(-r / SCREENING_ANG) / r
    bare, slope = repulsion + coulomb, -repulsion / SOFTNESS_ANG - coulomb * (1 / r + 1 / SCREENING_ANG)
    x = 1 - (r / CUTOFF_ANG) ** 2
    return bare * x**2, slope * x**2 - bare * 4 * x * r / CUTOFF_ANG**2


def evaluate(symbols, positions_ang, cell_ang, functional="SCAN"):
    """Energy (eV), forces (eV/Å, (n, 3)) and stress (eV/Å³, (3, 3), positive under tension) of a periodic cell."""
    positions, cell = np.asarray(positions_ang, float), np.asarray(cell_ang, float)
    positions = np.linalg.solve(cell.T, positions.T).T % 1.0 @ cell
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    images = [range(-m, m + 1) for m in np.ceil(CUTOFF_ANG / heights).astype(int) + 1]
    shifts = np.array(list(itertools.product(*images))) @ cell
    charges = np.array([CHARGES[symbol] for symbol in symbols])
    radii = np.array([RADII_ANG[symbol] for symbol in symbols])
    energy = sum(ATOM_ENERGIES_EV[functional][symbol] for symbol in symbols)
    forces, virial = np.zeros_like(positions), np.zeros((3, 3))
    for i, position in enumerate(positions):
        vectors = (positions[:, None] + shifts[None] - position).reshape(-1, 3)
        distances = np.linalg.norm(vectors, axis=1)
        near = (distances > 1e-8) & (distances < CUTOFF_ANG)
        partners = np.repeat(np.arange(len(positions)), len(shifts))[near]
        vectors, distances = vectors[near], distances[near]
        energies, slopes = pair_terms(distances, charges[i] * charges[partners], radii[i] + radii[partners])
        pulls = (slopes / distances)[:, None] * vectors
        energy += 0.5 * energies.sum()
        forces[i] += pulls.sum(axis=0)
        virial += 0.5 * vectors.T @ pulls
    return float(energy), forces, virial / abs(np.linalg.det(cell))
