"""From labels to a dataset worth training on."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.io import write
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

from disolyte.blobs import Blob
from disolyte.errors import DatasetError
from disolyte.labelling.consistency import measure_consistency
from disolyte.labelling.labels import LabelledFrame, iter_labelled_frames, require_one_method
from disolyte.labelling.quality import GateResult, QualityGate, apply_gate, fit_reference_energies
from disolyte.labelling.schema import DatasetDoc, LabelDoc, Rejection, Split, hash_dataset
from disolyte.labelling.splits import Family, SplitFractions, split_families

SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def build_dataset(
    labels: Sequence[LabelDoc],
    *,
    gate: QualityGate,
    fractions: SplitFractions,
    minimum_fraction: float,
    seed: int,
    record: dict[str, Any],
    previous: DatasetDoc | None = None,
) -> DatasetDoc:
    """Check, split and write labelled frames.

    The same labels give the same files and hash, in whatever order and batches they come.

    Parameters
    ----------
    labels
        Label documents of one method.
    gate
        Limits of the quality gate.
    fractions
        Shares of validation and test.
    minimum_fraction
        Least share of the labelled frames that must pass the gate.
    seed
        Seed of the split and of the order of the training frames.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the document.
    previous
        Dataset whose families keep their split, so that a dataset which grows keeps its test set.

    Returns
    -------
    DatasetDoc
        The dataset.

    Raises
    ------
    DatasetError
        If there are no labels, labels of several methods, too few that pass the gate, or too few families; or if
        forces or stresses are not derivatives of the energies.
    """
    labelled = [document for document in labels if document.n_labelled] or labels
    label_method = require_one_method(labelled)
    frames = [frame for document in labels for frame in iter_labelled_frames(document)]
    result = apply_gate(frames, gate)
    _require_enough(result, n_labelled=len(frames), minimum_fraction=minimum_fraction)
    consistency = measure_consistency(result.accepted) if gate.checks_consistency else None
    if consistency is not None and consistency.problems:
        raise DatasetError(
            f"{'; '.join(consistency.problems)}; mend the labels (disolyte dataset import converts units, signs and "
            "energies per atom), or switch checks_consistency of the gate off if you know better"
        )
    splits = split_frames(result.accepted, fractions, seed=seed, previous=previous)
    return assemble_dataset(
        splits,
        label_method=label_method,
        is_surrogate=labelled[0].is_surrogate,
        quarantine=_quarantine(labels, result),
        record={"consistency": consistency, **record},
    )


def assemble_dataset(
    splits: Mapping[Split, Sequence[LabelledFrame]],
    *,
    label_method: str,
    is_surrogate: bool,
    quarantine: list[Rejection],
    record: dict[str, Any],
) -> DatasetDoc:
    """Write the frames of each split, in their order, and describe them.

    Parameters
    ----------
    splits
        Frames of each split.
    label_method, is_surrogate
        What made the labels.
    quarantine
        Frames set aside.
    record
        Other fields of the document.

    Returns
    -------
    DatasetDoc
        The dataset.
    """
    blobs = {split: Blob.from_bytes(write_extxyz(splits[split])) for split in SPLITS}
    return DatasetDoc(
        train=blobs["train"],
        valid=blobs["valid"],
        test=blobs["test"],
        n_train=len(splits["train"]),
        n_valid=len(splits["valid"]),
        n_test=len(splits["test"]),
        families={split: sorted({frame.family for frame in splits[split]}) for split in SPLITS},
        compositions={
            split: dict(sorted(Counter(frame.composition for frame in splits[split]).items())) for split in SPLITS
        },
        elements=_elements([frame for split in SPLITS for frame in splits[split]]),
        reference_energies_ev=fit_reference_energies(sorted(splits["train"], key=lambda frame: frame.sort_key)),
        label_method=label_method,
        is_surrogate=is_surrogate,
        dataset_sha256=hash_dataset(blobs, label_method),
        quarantine=quarantine,
        **record,
    )


def split_frames(
    frames: Sequence[LabelledFrame], fractions: SplitFractions, *, seed: int, previous: DatasetDoc | None = None
) -> dict[Split, list[LabelledFrame]]:
    """Split frames by family.

    Parameters
    ----------
    frames
        Accepted frames.
    fractions
        Shares of validation and test.
    seed
        Seed of the split and of the shuffled order of the training frames.
    previous
        Dataset whose families keep their split.

    Returns
    -------
    dict
        Frames of each split; those for training shuffled, so that the first *n* are a nested subset.

    Raises
    ------
    DatasetError
        If there are fewer than three families.
    """
    members: dict[str, list[LabelledFrame]] = {}
    for frame in frames:
        members.setdefault(frame.family, []).append(frame)
    families = [Family(name, found[0].composition, len(found)) for name, found in members.items()]
    kept = {} if previous is None else {name: split for split in SPLITS for name in previous.families[split]}
    assigned = split_families(families, fractions, seed=seed, kept=kept)
    splits: dict[Split, list[LabelledFrame]] = {split: [] for split in SPLITS}
    for frame in sorted(frames, key=lambda frame: frame.sort_key):
        splits[assigned[frame.family]].append(frame)
    # by names, which rounding in files cannot change; frames without them by content
    splits["train"].sort(key=lambda frame: (_draw(seed, frame), frame.structure_sha256))
    return splits


def write_extxyz(frames: Sequence[LabelledFrame]) -> bytes:
    """Extended-xyz file of labelled frames, with the keys named in :class:`~disolyte.labelling.schema.DatasetDoc`."""
    buffer = io.StringIO()
    if frames:
        write(buffer, [_to_atoms(frame) for frame in frames], format="extxyz", write_results=False)
    return buffer.getvalue().encode()


def _to_atoms(frame: LabelledFrame) -> Atoms:
    atoms = Atoms(numbers=frame.numbers, positions=frame.positions_ang, cell=frame.cell_ang, pbc=True)
    atoms.arrays["REF_forces"] = frame.label.forces_ev_per_ang
    atoms.info = {
        "REF_energy": frame.label.energy_ev,
        "REF_stress": frame.label.stress_ev_per_ang3,
        "family": _as_text(frame.family),
        "composition": _as_text(frame.composition),
        "md_step": frame.md_step,
    }
    return atoms


def _as_text(name: str) -> str:
    """A name that ASE reads back as it is: one that looks like something else (InF, NaN, 001) goes as JSON."""
    with suppress(ValueError):
        read_back = key_val_str_to_dict(key_val_dict_to_str({"name": name})).get("name")
        if name.isprintable() and isinstance(read_back, str) and read_back == name:
            return name
    # ASE takes a backslash for the escape of what follows
    return "_JSON " + json.dumps(name).replace("\\", "\\\\")


def _draw(seed: int, frame: LabelledFrame) -> str:
    return hashlib.sha256(f"{seed}:{frame.family}:{frame.md_step}".encode()).hexdigest()


def _require_enough(result: GateResult, *, n_labelled: int, minimum_fraction: float) -> None:
    if n_labelled == 0:
        raise DatasetError("no frame has a label; look at the rejections of the label documents")
    if len(result.accepted) < minimum_fraction * n_labelled:
        kinds = Counter(rejection.kind.value for rejection in result.rejections)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise DatasetError(
            f"only {len(result.accepted)} of {n_labelled} labelled frames passed the quality gate ({counts}), less "
            f"than the stated minimum of {minimum_fraction:.0%}; check that labels and frames belong together, "
            "or widen the gate"
        )


def _quarantine(labels: Sequence[LabelDoc], result: GateResult) -> list[Rejection]:
    rejections = [*(item for document in labels for item in document.rejections), *result.rejections]
    return sorted(rejections, key=lambda item: (item.family, item.md_step, item.kind, item.reason))


def _elements(frames: Sequence[LabelledFrame]) -> list[str]:
    symbols = {chemical_symbols[number] for frame in frames for number in np.unique(frame.numbers)}
    return sorted(symbols, key=lambda symbol: atomic_numbers[symbol])
