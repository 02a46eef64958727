"""A committee looks at a pool of frames and chooses from it."""

from __future__ import annotations

from functools import partial
from typing import Any

from disolyte.blobs import Blob
from disolyte.finetuning.committee.predictor import Committee
from disolyte.finetuning.committee.selection import (
    UncertainFrameChoice,
    UncertainQuantity,
    displacement_distance,
    find_candidates,
    select_uncertain,
)
from disolyte.models.descriptors import describe_structures
from disolyte.sampling.schema import FrameBatch


def choose_uncertain(
    committee: Committee, pool: FrameBatch, choice: UncertainFrameChoice, *, batch_size: int = 32
) -> dict[str, Any]:
    """Choose the frames of ``pool`` that are to be labelled next.

    Parameters
    ----------
    committee
        The committee, with its scales.
    pool
        Frames.
    choice
        How many frames are taken, and by what.
    batch_size
        Frames in one pass.

    Returns
    -------
    dict
        Fields of an UncertainFramesDoc.

    Raises
    ------
    InputError
        If no frame lies within the limits.
    ModelCoverageError
        If the committee was not made for an element.
    """
    frames = pool.to_atoms()
    predictions = committee.predict(frames, batch_size=batch_size)
    forces, energies = predictions.frame_force_spreads_ev_per_ang, predictions.energy_spreads_ev_per_atom
    candidates = find_candidates(forces, choice)
    ranked = {
        UncertainQuantity.FORCES: forces,
        UncertainQuantity.LARGEST_FORCE: predictions.largest_force_spreads_ev_per_ang,
        UncertainQuantity.ENERGY: energies,
    }
    describe = partial(describe_structures, committee.models[0], batch_size=batch_size)
    chosen = select_uncertain(
        ranked[choice.quantity],
        describe(frames),
        candidates,
        n_frames=choice.n_frames,
        duplicate_distance=displacement_distance(describe, frames, choice.duplicate_rms_ang),
    )
    n_certain = int((forces < choice.min_force_spread_ev_per_ang).sum())
    return {
        "frames": pool.take(chosen.indices),
        "indices": chosen.indices,
        "force_spreads_ev_per_ang": forces[chosen.indices].tolist(),
        "energy_spreads_ev_per_atom": energies[chosen.indices].tolist(),
        "pool_force_spreads_ev_per_ang": Blob.from_array(forces),
        "pool_energy_spreads_ev_per_atom": Blob.from_array(energies),
        "n_pool": len(pool),
        "n_certain": n_certain,
        "n_broken": len(pool) - len(candidates) - n_certain,
        "n_duplicates": chosen.n_duplicates,
    }
