"""Datasets: nothing leaks, nothing wrong gets in, and the hash means something."""

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase.io import read

from disolyte.errors import DatasetError
from disolyte.labelling import QualityGate, RejectionKind, SplitFractions, build_dataset
from disolyte.labelling.frames import frame_structures, select_frames
from disolyte.labelling.labels import Failure, build_label_doc, iter_labelled_frames, merge_label_docs
from disolyte.labelling.quality import apply_gate, fit_reference_energies
from disolyte.labelling.splits import Family, split_families

ATOM_ENERGIES_EV = {"Li": -1.5, "Cl": -4.0, "Br": -3.0, "In": -2.5}


def build(*labels, minimum_fraction=0.8, seed=0, **gate):
    return build_dataset(
        list(labels),
        gate=QualityGate(**{"checks_consistency": False, **gate}),  # the fixture's forces are random
        fractions=SplitFractions(),
        minimum_fraction=minimum_fraction,
        seed=seed,
        record={"caveats": []},
    )


def part(document, indices):
    """Some frames of a label document, in the given order."""
    frames = list(iter_labelled_frames(document))
    return build_label_doc(
        select_frames(document.frames, indices),
        [frames[index].label for index in indices],
        label_method=document.label_method,
        is_surrogate=document.is_surrogate,
        record={"caveats": document.caveats},
    )


def test_no_family_is_on_two_sides_and_all_frames_are_somewhere(make_doc):
    dataset = build(make_doc(families=5, frames=6))
    families = {split: set(names) for split, names in dataset.families.items()}
    assert sum(len(names) for names in families.values()) == 15 == len(set.union(*families.values()))
    assert all(families.values())
    assert dataset.n_frames == 90
    for split in ("train", "valid", "test"):
        atoms = dataset.to_atoms(split)
        assert {frame.info["family"] for frame in atoms} == families[split]
        assert Counter(frame.info["composition"] for frame in atoms) == dataset.compositions[split]
    assert set(dataset.compositions["train"]) == {"Li3InCl6", "Li3InBr6", "LiCl"}
    assert dataset.n_test == dataset.n_valid == 12, "two families of six frames are nearest to a tenth of ninety"


def test_split_is_stratified_by_composition():
    families = [Family(f"{c}-{i}", c, 10) for c in "ABCDE" for i in range(10)]
    assigned = split_families(families, SplitFractions(valid=0.1, test=0.2), seed=1)
    for split, each in [("test", 2), ("valid", 1), ("train", 7)]:
        counts = Counter(name[0] for name, found in assigned.items() if found == split)
        assert counts == dict.fromkeys("ABCDE", each)


def test_split_depends_on_the_seed_and_not_on_the_order():
    families = [Family(f"{c}-{i}", c, 10) for c in "ABC" for i in range(8)]
    first = split_families(families, SplitFractions(), seed=1)
    assert first == split_families(families[::-1], SplitFractions(), seed=1)
    assert first != split_families(families, SplitFractions(), seed=2)


def test_compositions_keep_a_training_family_where_they_can():
    families = [Family("A-0", "A", 30), *(Family(f"B-{i}", "B", 30) for i in range(4))]
    assigned = split_families(families, SplitFractions(), seed=0)
    assert assigned["A-0"] == "train"
    assert Counter(assigned.values()) == {"train": 3, "valid": 1, "test": 1}


def test_too_few_families_name_the_remedy(make_doc):
    two = part(make_doc(families=1, frames=5), range(10))
    with pytest.raises(DatasetError, match="at least 3.*n_select.*larger supercell"):
        build(two)


def test_hash_does_not_depend_on_order_or_batches(make_doc):
    document = make_doc()
    dataset = build(document)
    shuffled = np.random.default_rng(0).permutation(document.n_labelled)
    again = build(part(document, shuffled[:23]), part(document, shuffled[23:]))
    assert again.dataset_sha256 == dataset.dataset_sha256
    assert again.train.to_bytes() == dataset.train.to_bytes()
    assert again.content_sha256() == dataset.content_sha256()


def test_hash_depends_on_the_content(make_doc):
    dataset = build(make_doc())
    changed = build(make_doc(change=lambda i, label: replace(label, energy_ev=label.energy_ev + 1e-3 * (i == 7))))
    assert changed.dataset_sha256 != dataset.dataset_sha256
    assert build(make_doc(), seed=1).dataset_sha256 != dataset.dataset_sha256
    assert build(make_doc(method="VASP r2SCAN, ENCUT 520 eV")).dataset_sha256 != dataset.dataset_sha256


def test_extxyz_holds_the_labels_with_keys_units_and_signs(make_doc, tmp_path):
    document = make_doc()
    dataset = build(document)
    originals = {frame.structure_sha256: frame for frame in iter_labelled_frames(document)}
    found = {}
    for path in dataset.write(tmp_path).values():
        for atoms in read(path, ":"):
            # a key named energy, forces or stress would be taken out of MACE's sight by ase
            assert atoms.calc is None
            matches = [
                frame
                for frame in originals.values()
                if frame.family == atoms.info["family"] and frame.md_step == atoms.info["md_step"]
            ]
            assert len(matches) == 1
            frame = matches[0]
            found[frame.structure_sha256] = atoms
            assert atoms.info["REF_energy"] == pytest.approx(frame.label.energy_ev, abs=1e-12)
            assert np.allclose(atoms.arrays["REF_forces"], frame.label.forces_ev_per_ang, atol=1e-7)
            assert np.allclose(atoms.info["REF_stress"], frame.label.stress_ev_per_ang3, atol=1e-12)
            assert np.allclose(atoms.positions, frame.positions_ang, atol=1e-7)
            assert (atoms.numbers == frame.numbers).all()
            assert atoms.pbc.all()
    assert found.keys() == originals.keys()
    assert dataset.elements == ["Li", "Cl", "Br", "In"]
    text = io.StringIO(dataset.train.to_bytes().decode())
    assert len(list(read(text, ":", format="extxyz"))) == dataset.n_train
    with pytest.raises(DatasetError, match="no split 'holdout'"):
        dataset.to_atoms("holdout")


def test_training_frames_are_shuffled_over_families(make_doc):
    frames = build(make_doc(families=6, frames=6)).to_atoms("train")
    subset = Counter(atoms.info["composition"] for atoms in frames[: len(frames) // 2])
    assert set(subset) == {"Li3InCl6", "Li3InBr6", "LiCl"}


def broken(index, kind):
    """A change that spoils frame ``index``."""

    def change(i, label):
        if i != index:
            return label
        if kind == "outlier":
            return replace(label, energy_ev=label.energy_ev + 5.0)
        if kind == "nan":
            forces = label.forces_ev_per_ang.copy()
            forces[2, 1] = np.nan
            return replace(label, forces_ev_per_ang=forces)
        if kind == "net":
            return replace(label, forces_ev_per_ang=label.forces_ev_per_ang + 0.2)
        if kind == "force":
            pull = np.zeros_like(label.forces_ev_per_ang)
            pull[0, 0], pull[1, 0] = 50, -50
            return replace(label, forces_ev_per_ang=label.forces_ev_per_ang + pull)
        return replace(label, stress_ev_per_ang3=label.stress_ev_per_ang3 + np.eye(3))

    return change


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("outlier", RejectionKind.ENERGY_OUTLIER, "eV/atom from the per-element fit"),
        ("nan", RejectionKind.NOT_FINITE, "NaN"),
        ("force", RejectionKind.FORCE_LIMIT, "exceeds the limit 30 eV/Å"),
        ("net", RejectionKind.NET_FORCE, "exceeds the limit 0.5 eV/Å"),
        ("stress", RejectionKind.STRESS_LIMIT, "exceeds the limit 0.3 eV/Å³"),
    ],
)
def test_one_broken_frame_is_set_aside_with_its_reason(make_doc, fault, kind, words):
    dataset = build(make_doc(change=broken(7, fault)))
    assert dataset.n_frames == 59
    (rejection,) = dataset.quarantine
    assert rejection.kind is kind
    assert words in rejection.reason
    assert (rejection.family, rejection.composition, rejection.md_step) == ("Li3InCl6-001", "Li3InCl6", 200)


def test_copies_and_overlapping_atoms_are_set_aside(make_doc):
    document = make_doc()
    frames = list(iter_labelled_frames(document))
    squeezed = frames[3].positions_ang.copy()
    squeezed[1] = squeezed[0] + [0.0, 0.0, 0.7]
    across = frames[4].positions_ang.copy()
    across[0], across[5] = [0.1, 0.0, 0.0], [frames[4].cell_ang[0, 0] - 0.1, 0.0, 0.0]
    frames[3] = replace(frames[3], positions_ang=squeezed)
    frames[4] = replace(frames[4], positions_ang=across)
    copy = replace(frames[20], family="Li3InBr6-003")
    order = np.random.default_rng(0).permutation(len(frames[30]))
    sorted_otherwise = replace(
        frames[30], family="Z", numbers=frames[30].numbers[order], positions_ang=frames[30].positions_ang[order]
    )
    result = apply_gate([*frames, copy, sorted_otherwise], QualityGate())
    assert Counter(rejection.kind for rejection in result.rejections) == {
        RejectionKind.SHORT_DISTANCE: 2,
        RejectionKind.DUPLICATE: 2,
    }
    reasons = " ".join(rejection.reason for rejection in result.rejections)
    assert "0.700 Å" in reasons
    assert "0.200 Å" in reasons, "also across the cell's border"
    assert len(result.accepted) == 58


def test_labels_shuffled_among_frames_are_refused(make_doc):
    labels = [frame.label for frame in iter_labelled_frames(make_doc())]
    energies = np.random.default_rng(0).permutation([label.energy_ev for label in labels])
    mixed = make_doc(change=lambda i, label: replace(label, energy_ev=float(energies[i])))
    with pytest.raises(DatasetError, match=r"passed the quality gate.*energy outlier.*belong together"):
        build(mixed)


def test_outliers_do_not_drag_the_fit(make_doc):
    wrong = make_doc(change=lambda i, label: replace(label, energy_ev=label.energy_ev + (200.0 if i % 7 == 0 else 0)))
    frames = list(iter_labelled_frames(wrong))
    energies = fit_reference_energies(frames)
    for frame in frames[1:6]:
        expected = sum(ATOM_ENERGIES_EV[symbol] for symbol in _symbols(frame)) / len(frame)
        found = sum(energies[symbol] for symbol in _symbols(frame)) / len(frame)
        assert found == pytest.approx(expected, abs=0.02)
    result = apply_gate(frames, QualityGate())
    assert {rejection.kind for rejection in result.rejections} == {RejectionKind.ENERGY_OUTLIER}
    assert len(result.rejections) == 9


def _symbols(frame):
    return [{3: "Li", 17: "Cl", 35: "Br", 49: "In"}[number] for number in frame.numbers]


def test_methods_are_not_mixed(make_doc):
    scan, pbe = make_doc(), make_doc(families=1, method="VASP PBE, ENCUT 520 eV")
    with pytest.raises(DatasetError, match=r"15 frames by VASP PBE.*60 frames by VASP SCAN"):
        build(scan, pbe)
    with pytest.raises(DatasetError, match="different methods"):
        build(scan, make_doc(families=1, is_surrogate=True))
    with pytest.raises(DatasetError, match="different methods"):
        merge_label_docs([scan, pbe], record={})


def test_surrogate_labels_stay_marked_beside_a_document_without_labels(make_doc):
    lost = build_label_doc(
        select_frames(make_doc(1, 1).frames, [0]),
        [Failure(RejectionKind.CALCULATION_FAILED, "lost")],
        label_method="none",
        is_surrogate=False,
        record={},
    )
    dataset = build(lost, make_doc(method="CHGNet r2SCAN", is_surrogate=True))
    assert dataset.is_surrogate
    assert dataset.label_method == "CHGNet r2SCAN"
    assert [item.reason for item in dataset.quarantine] == ["lost"]


def test_merging_keeps_frames_and_labels_together(make_doc):
    document = make_doc(families=2, frames=2)
    merged = merge_label_docs([part(document, [4, 5, 6]), part(document, [0, 11])], record={})
    for index, frame in zip([4, 5, 6, 0, 11], iter_labelled_frames(merged), strict=True):
        original = list(iter_labelled_frames(document))[index]
        assert frame.structure_sha256 == original.structure_sha256
        assert frame.label.energy_ev == original.label.energy_ev
        assert (frame.label.forces_ev_per_ang == original.label.forces_ev_per_ang).all()
        assert frame.family == original.family
    assert [len(structure) for structure in frame_structures(merged.frames)] == [10, 10, 10, 10, 8]


def test_arrays_that_do_not_fit_are_refused(make_doc):
    document = make_doc(families=1, frames=2)
    with pytest.raises(ValueError, match="energies ask for"):
        type(document).model_validate({**document.model_dump(), "energies_ev": [1.0]})


def test_empty_labels_are_refused(make_doc):
    with pytest.raises(DatasetError, match="no frame has a label"):
        build(part(make_doc(), []))
