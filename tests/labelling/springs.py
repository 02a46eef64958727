"""Labels that are derivatives of one energy: anharmonic springs about a lattice in a cell that resists strain."""

import numpy as np

from disolyte.blobs import Blob
from disolyte.labelling.labels import Label, build_label_doc
from disolyte.sampling.schema import FrameBatch

STIFFNESS_EV_PER_ANG2 = 2.0
CUBIC_EV_PER_ANG3 = 1.0
MODULUS_EV_PER_ANG3 = 0.3
ATOM_ENERGIES_EV = {3: -1.5, 17: -4.0, 35: -3.0}
COMPOSITIONS = {"LiCl": [3, 17] * 8, "LiBr": [3, 35] * 8}
EDGE_ANG = 7.8


def spring_docs(n_families=4, n_frames=6, *, change=None, seed=0, method="VASP SCAN, ENCUT 520 eV"):
    """One label document; ``change(label, numbers, rng)`` may spoil every label."""
    rng = np.random.default_rng(seed)
    sites = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(2)], float)[:16] / [3, 3, 2]
    batches, labels = [], []
    for composition, numbers in COMPOSITIONS.items():
        for family in range(n_families):
            for frame in range(n_frames):
                strain = rng.uniform(-0.03, 0.03, (3, 3))
                strain = 0.5 * (strain + strain.T)
                cell = EDGE_ANG * (np.eye(3) + strain)
                moves = rng.normal(0, 0.15, (16, 3))
                moves -= moves.mean(axis=0)
                moves_cubed = CUBIC_EV_PER_ANG3 * moves**2
                energy = sum(ATOM_ENERGIES_EV[number] for number in numbers)
                energy += float((0.5 * STIFFNESS_EV_PER_ANG2 * moves**2 + CUBIC_EV_PER_ANG3 * moves**3 / 3).sum())
                energy += 0.5 * MODULUS_EV_PER_ANG3 * EDGE_ANG**3 * float((strain**2).sum())
                forces = -(STIFFNESS_EV_PER_ANG2 * moves + moves_cubed)
                label = Label(energy, forces - forces.mean(axis=0), MODULUS_EV_PER_ANG3 * strain)
                labels.append(change(label, numbers, rng) if change else label)
                batches.append(
                    FrameBatch(
                        numbers=Blob.from_array(np.array(numbers, dtype=np.int16)),
                        positions_ang=Blob.from_array(sites @ cell + moves),
                        cells_ang=Blob.from_array(cell[None]),
                        n_atoms=Blob.from_array(np.array([16], dtype=np.int32)),
                        family=[f"{composition}-{family:03d}"],
                        composition=[composition],
                        md_step=[100 * frame],
                        strain=[[0.0] * 6],
                    )
                )
    frames = FrameBatch.concatenate(batches)
    return build_label_doc(frames, labels, label_method=method, is_surrogate=False, record={"caveats": []})
