"""Datasets out to extended xyz and back, and labels that somebody else made."""

import importlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.io import read, write

from disolyte.errors import DatasetError, InputError
from disolyte.labelling import QualityGate, RejectionKind, SplitFractions, build_dataset
from disolyte.labelling.exchange import read_dataset
from disolyte.labelling.exchange import write_dataset as export
from disolyte.labelling.label_files import EnergyUnit, LabelKeys, StressUnit, parse_units, read_labels

sys.path.insert(0, str(Path(__file__).parent))
springs = importlib.import_module("springs")

METHOD = "VASP SCAN, ENCUT 520 eV"


def build(labels, previous=None, **options):
    return build_dataset(
        labels,
        gate=QualityGate(),
        fractions=SplitFractions(),
        minimum_fraction=options.pop("minimum_fraction", 0.8),
        seed=options.pop("seed", 0),
        record={"caveats": ["one"]},
        previous=previous,
        **options,
    )


@pytest.fixture(scope="module")
def dataset():
    return build([springs.spring_docs(n_families=5)])


def frames_of(dataset):
    return [atoms for split in ("train", "valid", "test") for atoms in dataset.to_atoms(split)]


def write_frames(path, frames):
    write(path, frames, format="extxyz", write_results=False)
    return path


def test_export_and_import_are_identical(dataset, tmp_path):
    files = export(dataset, tmp_path / "a")
    assert sorted(file.name for file in files) == ["dataset.json", "test.xyz", "train.xyz", "valid.xyz"]
    again = read_dataset(tmp_path / "a")
    assert again.dataset_sha256 == dataset.dataset_sha256
    assert again.content_sha256() == dataset.content_sha256()
    assert again == dataset
    export(again, tmp_path / "b")
    for file in files:
        assert (tmp_path / "b" / file.name).read_bytes() == file.read_bytes()


def test_changed_files_are_noticed(dataset, tmp_path):
    export(dataset, tmp_path)
    frames = read(tmp_path / "train.xyz", ":")
    frames[3].info["REF_energy"] += 0.01
    write_frames(tmp_path / "train.xyz", frames)
    with pytest.raises(DatasetError, match="are not the exported ones"):
        read_dataset(tmp_path)
    (tmp_path / "test.xyz").unlink()
    with pytest.raises(DatasetError, match="holds no exported dataset"):
        read_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"n_train": 1}))
    (tmp_path / "test.xyz").write_text("")
    with pytest.raises(DatasetError, match="is no dataset"):
        read_dataset(tmp_path)


def test_own_labels_give_the_same_dataset_in_any_order_and_number_of_files(dataset, tmp_path):
    frames = frames_of(dataset)
    one = build(read_labels([write_frames(tmp_path / "all.xyz", frames)], LabelKeys(), label_method=METHOD, record={}))
    order = np.random.default_rng(1).permutation(len(frames))
    parts = [[frames[i] for i in order[:17]], [frames[i] for i in order[17:]]]
    files = [write_frames(tmp_path / f"{number}.xyz", part) for number, part in enumerate(parts)]
    two = build(read_labels(files, LabelKeys(), label_method=METHOD, record={}))
    assert one.dataset_sha256 == two.dataset_sha256
    assert {split: sorted(names) for split, names in one.families.items()} == dataset.families


def test_units_and_signs_are_converted(dataset, tmp_path):
    frames = frames_of(dataset)
    for atoms in frames:
        atoms.info["E"] = atoms.info.pop("REF_energy") / units.Hartree / len(atoms)
        atoms.arrays["F"] = atoms.arrays.pop("REF_forces") / units.Hartree * units.Bohr
        xx = np.array(atoms.info.pop("REF_stress")).reshape(3, 3)
        voigt = [xx[0, 0], xx[1, 1], xx[2, 2], xx[1, 2], xx[0, 2], xx[0, 1]]
        atoms.info["S"] = -np.array(voigt) / (0.1 * units.GPa)
    keys = LabelKeys(
        energy="E", forces="F", stress="S", energy_unit="Ha", stress_unit="kbar", stress_is_pressure=True,
        energy_per_atom=True,
    )  # fmt: skip
    file = write_frames(tmp_path / "user.xyz", frames)
    converted = build(read_labels([file], keys, label_method=METHOD, record={}))
    for split in ("train", "valid", "test"):
        for ours, theirs in zip(dataset.to_atoms(split), converted.to_atoms(split), strict=True):
            assert (ours.info["family"], ours.info["md_step"]) == (theirs.info["family"], theirs.info["md_step"])
            assert ours.info["REF_energy"] == pytest.approx(theirs.info["REF_energy"], abs=1e-9)
            assert np.allclose(ours.arrays["REF_forces"], theirs.arrays["REF_forces"], atol=1e-6)
            assert np.allclose(ours.info["REF_stress"], theirs.info["REF_stress"], atol=1e-9)


def test_names_of_ase_are_found(dataset, tmp_path):
    frames = frames_of(dataset)
    for atoms in frames:
        for name, place in (("energy", atoms.info), ("stress", atoms.info), ("forces", atoms.arrays)):
            place[name] = place.pop(f"REF_{name}")
    file = write_frames(tmp_path / "ase.xyz", frames)
    keys = LabelKeys(energy="energy", forces="forces", stress="stress")
    (labels,) = read_labels([file], keys, label_method=METHOD, record={})
    assert labels.n_labelled == len(frames)


def broken(dataset, change):
    frames = frames_of(dataset)
    for index, atoms in enumerate(frames):
        change(index, atoms)
    return frames


def read_changed(dataset, tmp_path, change, **options):
    file = write_frames(tmp_path / "changed.xyz", broken(dataset, change))
    return read_labels([file], LabelKeys(), label_method=options.get("method", METHOD), record={})


def test_empty_and_foreign_files_are_refused(tmp_path):
    empty, prose, missing = tmp_path / "empty.xyz", tmp_path / "prose.xyz", tmp_path / "missing.xyz"
    empty.write_text("")
    prose.write_text("These are my labels.\nThey are good.\n")
    for file in (empty, prose, missing):
        with pytest.raises(DatasetError, match=f"(no file .*)?{file.name}( holds no frames| cannot be read|;)"):
            read_labels([file], LabelKeys(), label_method=METHOD, record={})


def test_missing_labels_name_frame_and_what_is_there(dataset, tmp_path):
    with pytest.raises(DatasetError, match=r"frame 4 of .* has no stress under 'REF_stress'; it holds: REF_en"):
        read_changed(dataset, tmp_path, lambda i, atoms: i == 4 and atoms.info.pop("REF_stress"))
    with pytest.raises(DatasetError, match="periodic in three directions"):
        read_changed(dataset, tmp_path, lambda i, atoms: atoms.set_pbc([True, True, i != 2]))


def test_methods_are_stated_and_not_mixed(dataset, tmp_path):
    def mark(i, atoms):
        atoms.info["functional"] = "PBE" if i % 7 == 0 else "SCAN"

    with pytest.raises(DatasetError, match=r"cannot be mixed.* frames by PBE; .* frames by SCAN"):
        build(read_changed(dataset, tmp_path, mark, method=None))
    with pytest.raises(DatasetError, match="its label is 'PBE', but 'VASP SCAN, ENCUT 520 eV' was stated"):
        read_changed(dataset, tmp_path, mark)
    with pytest.raises(DatasetError, match="nothing says what made the labels"):
        read_changed(dataset, tmp_path, lambda i, atoms: None, method=None)


def test_a_functional_is_not_found_inside_another_name(dataset, tmp_path):
    with pytest.raises(DatasetError, match="its label is 'SCAN', but 'VASP r2SCAN, ENCUT 520 eV' was stated"):
        read_changed(
            dataset,
            tmp_path,
            lambda i, atoms: atoms.info.update(functional="SCAN"),
            method="VASP r2SCAN, ENCUT 520 eV",
        )


@pytest.mark.parametrize(
    "name", ["001", "1 2", "NaN", "InF", "T", "", "é ☃", "a\nb", "back\\slash", '"quoted"', "_JSON [1", "k=v"]
)
def test_any_name_comes_back(name, tmp_path):
    def rename(document):
        frames = document.frames.model_copy(
            update={
                "family": [name + family for family in document.frames.family],
                "composition": [name for _ in document.frames.composition],
            }
        )
        return document.model_copy(update={"frames": frames})

    named = build([rename(springs.spring_docs(n_families=2, n_frames=3))])
    export(named, tmp_path)
    assert read_dataset(tmp_path) == named
    assert [atoms.info["composition"] for atoms in named.to_atoms("test")] == [name] * named.n_test


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("md_step=100", "md_step=abc", r"frame \d+ of .* something else than a number .*'abc'"),
        ("md_step=100", "md_step=1e400", r"frame \d+ of .* something else than a number"),
        ("REF_energy=", "REF_energy=low REF_x=", "frame 0 of .* something else than a number .*'low'"),
        ("REF_energy=", 'REF_energy="1 2" REF_x=', "frame 0 of .* something else than a number"),
        ("REF_stress=", "REF_stress=small REF_x=", "frame 0 of .* something else than a number .*'small'"),
        ("REF_forces:R:3", "REF_forces:L:3", "'REF_forces' is logical"),
        ("\nLi ", "\nX ", "frame 0 of .* an atom of no element"),
        ("16\n", "999999999999\n", "ends in frame 0, which claims 999999999999 atoms"),
        ("16\n", "9" * 5000 + "\n", "ends in frame 0"),
        ("REF_stress=", 'REF_stress="_JSON ' + "[" * 100000 + '" REF_x=', "cannot be read as extended xyz"),
    ],
)
def test_hostile_files_are_refused_with_the_place(dataset, tmp_path, old, new, words):
    file = write_frames(tmp_path / "hostile.xyz", frames_of(dataset))
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=words):
        read_labels([file], LabelKeys(), label_method=METHOD, record={})


def test_labels_that_are_no_numbers_are_set_aside(dataset, tmp_path):
    def spoil(i, atoms):
        if i == 3:
            atoms.arrays["REF_forces"][2, 1] = np.nan
        if i == 5:
            atoms.info["REF_energy"] = float("inf")

    (labels,) = read_changed(dataset, tmp_path, spoil)
    assert [item.kind for item in labels.rejections] == [RejectionKind.NOT_FINITE] * 2
    assert build([labels]).n_frames == dataset.n_frames - 2


def test_unknown_units_are_refused():
    assert parse_units("ev", "gpa") == (EnergyUnit.EV, StressUnit.GPA)
    with pytest.raises(InputError, match="unit 'furlong' is unknown; give one of: eV/A"):
        parse_units("eV", "furlong")


def test_a_dataset_that_grows_keeps_its_splits():
    dataset = build([springs.spring_docs(n_families=5)], seed=3)
    more = springs.spring_docs(n_families=9, seed=7)
    grown = build([more], previous=dataset)
    assert len(grown.families["train"]) > len(dataset.families["train"])
    for split in ("train", "valid", "test"):
        assert set(dataset.families[split]) <= set(grown.families[split])
    alone = build([more])
    assert any(not set(dataset.families[split]) <= set(alone.families[split]) for split in ("valid", "test"))


def test_first_training_frames_are_nested_subsets(dataset):
    text = dataset.train.to_bytes().decode()
    frames = list(read(io.StringIO(text), ":", format="extxyz"))
    half = {atoms.info["composition"] for atoms in frames[: len(frames) // 2]}
    assert half == {"LiCl", "LiBr"}
