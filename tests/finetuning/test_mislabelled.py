"""Datasets that must not be trained on, refused with the reason before any training starts."""

import numpy as np
import pytest

from disolyte.blobs import Blob
from disolyte.errors import DatasetError, FinetuningError
from disolyte.finetuning.frames import Frames, check_frames, read_frames
from disolyte.finetuning.learning_curve.subsets import TrainingSubset
from disolyte.finetuning.makers import FinetuneMaker, ScratchTrainMaker
from disolyte.finetuning.mislabelling import check_against_foundation
from disolyte.finetuning.odd_frames import LabelledPair, check_single_frames
from disolyte.finetuning.options import ReplayOptions
from disolyte.labelling.schema import LabelConsistency
from disolyte.models import SHIPPED, ModelSource
from disolyte.models.sources import find_model_file


@pytest.fixture(scope="module")
def frames(make_frames):
    return make_frames(40, seed=21)


def changed(frames, change):
    copies = [atoms.copy() for atoms in frames]
    for atoms in copies:
        change(atoms)
    return copies


def scale(key, factor):
    def change(atoms):
        content = atoms.arrays if key == "REF_forces" else atoms.info
        content[key] = factor * content[key]

    return change


def shuffle_atoms(atoms):
    order = np.random.default_rng(len(atoms)).permutation(len(atoms))
    atoms.arrays["REF_forces"] = atoms.arrays["REF_forces"][order]


def test_right_labels_pass(foundation, frames):
    for some in (frames, frames[:5]):
        check_against_foundation(foundation, some)
        pair = LabelledPair.predict(foundation, some, batch_size=16)
        labels, predicted = (np.concatenate(forces).ravel() for forces in (pair.forces, pair.predicted_forces))
        assert np.corrcoef(labels, predicted)[0, 1] > 0.9, "the foundation knows what these labels are"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (scale("REF_stress", -1.0), r"stress labels.*sign is wrong"),
        (scale("REF_stress", 1602.18), r"stress labels.*unit is wrong \(kBar"),
        (scale("REF_stress", -1602.18), r"stress labels.*sign is wrong \(VASP"),
        (scale("REF_stress", 160.2), r"stress labels.*unit is wrong"),
        (scale("REF_forces", -1.0), r"force labels.*sign is wrong"),
        (scale("REF_forces", 3.0), r"force labels.*unit is wrong"),
        (scale("REF_stress", 3.0), r"stress labels.*unit is wrong"),
        (scale("REF_forces", 51.4), r"force labels.*unit is wrong"),
        (shuffle_atoms, r"force labels.*forces of other frames or atoms"),
        (lambda atoms: atoms.info.update(REF_energy=atoms.info["REF_energy"] / len(atoms)), r"energy labels.*unit"),
        (
            lambda atoms: atoms.arrays.update(REF_forces=np.zeros((len(atoms), 3))),
            r"all force labels .*equal",
        ),
    ],
)
def test_mislabelled_frames_are_refused(foundation, frames, change, reason):
    with pytest.raises(DatasetError, match=reason):
        check_against_foundation(foundation, changed(frames, change))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (scale("REF_stress", 1602.18), "stresses that do not fit.*(validation|test) frame"),
        (scale("REF_stress", -1.0), r"stress labels of the (validation|test) frames.*sign is wrong"),
        (scale("REF_stress", 3.0), r"stress labels of the (validation|test) frames.*unit is wrong"),
        (scale("REF_forces", 3.0), r"force labels of the (validation|test) frames.*unit is wrong"),
        (scale("REF_forces", -1.0), "forces that do not fit.*(validation|test) frame"),
        (shuffle_atoms, "forces that do not fit.*(validation|test) frame"),
    ],
)
@pytest.mark.parametrize("split", ["valid", "test"])
def test_labels_that_are_not_trained_on_are_looked_at_too(foundation, frames, change, reason, split):
    splits = {"train": frames[:28], "valid": frames[28:34], "test": frames[34:]}
    splits[split] = changed(splits[split], change)
    with pytest.raises(DatasetError, match=reason):
        check_against_foundation(foundation, **splits)


@pytest.mark.parametrize("every", [2, 3, 40])
def test_shuffled_forces_of_some_frames_are_found(foundation, frames, every):
    copies = [atoms.copy() for atoms in frames]
    for atoms in copies[::every]:
        shuffle_atoms(atoms)
    with pytest.raises(DatasetError, match=rf"^{len(copies[::every])} of 40 frames have forces .*training frame"):
        check_against_foundation(foundation, copies)


def test_an_energy_of_another_zero_is_found(foundation, frames):
    copies = [atoms.copy() for atoms in frames]
    copies[7].info["REF_energy"] += 1e4
    with pytest.raises(DatasetError, match="1 of 40 frames have energies .*training frame 7: "):
        check_against_foundation(foundation, copies)


def test_small_forces_that_no_model_gets_right_are_no_odd_ones():
    """Frames of which every fifth is near a minimum, and a foundation that is off by 0.15 eV/Å everywhere."""
    rng = np.random.default_rng(0)
    predicted = [rng.normal(0.0, 0.1 if number % 5 == 0 else 1.0, (20, 3)) for number in range(40)]
    energies, stresses = rng.normal(0.0, 0.02, 40), rng.normal(0.0, 0.01, (40, 6))
    pair = LabelledPair(
        energies=energies + rng.normal(0.0, 0.005, 40), predicted_energies=energies,
        forces=[forces + rng.normal(0.0, 0.15, (20, 3)) for forces in predicted], predicted_forces=predicted,
        stresses=stresses + rng.normal(0.0, 0.002, (40, 6)), predicted_stresses=stresses, shares=np.ones((40, 1)),
    )  # fmt: skip
    check_single_frames({"training": pair})
    pair.forces[7][:] = rng.permutation(pair.forces[7])
    with pytest.raises(DatasetError, match="1 of 40 .* training frame 7"):
        check_single_frames({"training": pair})


@pytest.mark.parametrize("key", ["REF_energy", "REF_stress"])
def test_labels_of_other_frames_are_refused(foundation, frames, key):
    copies = [atoms.copy() for atoms in frames]
    for atoms, other in zip(copies, [*frames[7:], *frames[:7]], strict=True):
        if key == "REF_energy":  # what the composition explains stays right
            shift = foundation.predict([atoms, other]).energies_ev
            atoms.info[key] += 1.1 * (other.info[key] / 1.1 - atoms.info[key] / 1.1 - shift[1] + shift[0])
            atoms.info[key] += np.random.default_rng(int(1e3 * abs(shift[0]))).normal(0.0, 0.05 * len(atoms))
        else:
            atoms.info[key] = other.info[key]
    kind = key.removeprefix("REF_")
    with pytest.raises(DatasetError, match=rf"{kind} labels of the training frames do not fit.*(of other frames|unit)"):
        check_against_foundation(foundation, copies)


def test_makers_refuse_before_training(frames, make_dataset, clean_dir):
    maker = FinetuneMaker(foundation=ModelSource(name=SHIPPED))
    wrong = changed(frames, scale("REF_stress", -1602.18))
    with pytest.raises(DatasetError, match="sign is wrong"):
        maker.make.original(maker, make_dataset(wrong[:30], wrong[30:35], wrong[35:]))
    assert not (clean_dir / "training").exists()


def test_unreadable_and_empty_datasets_are_refused(frames, make_dataset, clean_dir):
    good = make_dataset(frames[:30], frames[30:35], frames[35:])
    empty = make_dataset([], frames[30:35], frames[35:])
    cut = good.train.to_bytes()[:-200]
    broken = {
        "are corrupt": good.train.model_copy(update={"sha256": "0" * 64}),
        "are corrupt|no readable": good.train.model_copy(update={"payload": "!" + good.train.payload[1:]}),
        "no readable extended xyz": Blob.from_bytes(cut),
        "document says 30": good.valid,
    }
    for maker in (FinetuneMaker(foundation=ModelSource(name=SHIPPED)), ScratchTrainMaker()):
        with pytest.raises(DatasetError, match="0 training"):
            maker.make.original(maker, empty)
        for reason, blob in broken.items():
            with pytest.raises(DatasetError, match=reason):
                maker.make.original(maker, good.model_copy(update={"train": blob}))
    assert not (clean_dir / "training").exists()


def test_recorded_inconsistency_is_refused(frames, make_dataset):
    found = LabelConsistency(n_pairs=50, force_slope=-0.7, force_slope_error=0.05)
    dataset = make_dataset(frames[:30], frames[30:35], frames[35:]).model_copy(update={"consistency": found})
    with pytest.raises(DatasetError, match="not derivatives of the energies"):
        read_frames(dataset)


def test_leaks_and_broken_numbers_are_refused(frames):
    with pytest.raises(DatasetError, match="1 of 5 test frames are training frames"):
        check_frames(Frames(frames[:30], frames[30:35], [*frames[35:39], frames[3]]), 10)
    shifted = [atoms.copy() for atoms in frames[:30]]
    shifted[4].arrays["REF_forces"] += 0.1
    with pytest.raises(DatasetError, match="add up to"):
        check_frames(Frames(shifted, frames[30:35], []), 10)


def test_subsets_are_nested_and_keep_the_shares(frames, make_dataset):
    dataset = make_dataset(frames[:30], frames[30:35], frames[35:])
    sizes = {n: read_frames(dataset, TrainingSubset(n_train=n, seed=3)).train for n in (8, 16, 30)}
    positions = {n: {atoms.positions.tobytes() for atoms in taken} for n, taken in sizes.items()}
    assert positions[8] < positions[16] < positions[30]
    other = read_frames(dataset, TrainingSubset(n_train=8, seed=4)).train
    assert {atoms.positions.tobytes() for atoms in other} != positions[8]
    with pytest.raises(DatasetError, match="31 frames of 30"):
        read_frames(dataset, TrainingSubset(n_train=31))


@pytest.mark.parametrize("by_path", [True, False])
def test_no_replay_is_refused_before_training(frames, make_dataset, clean_dir, by_path):
    """With a foundation by path mace would fall back to naive fine-tuning with a warning."""
    source = ModelSource(name=SHIPPED)
    if by_path:
        source = ModelSource(path=str(find_model_file(source).path), name="")
    maker = FinetuneMaker(foundation=source, replay=ReplayOptions(n_frames=0))
    with pytest.raises(FinetuningError, match="naive fine-tuning"):
        maker.make.original(maker, make_dataset(frames[:30], frames[30:35], frames[35:]))
    assert not (clean_dir / "training" / "run.json").exists()


def flatten(atoms):
    atoms.cell[2] = atoms.cell[0] + atoms.cell[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda atoms: atoms.arrays["REF_forces"].__setitem__((2, 1), np.nan), "forces value that is NaN"),
        (lambda atoms: atoms.info.update(REF_energy=np.inf), "energy value that is NaN or infinite"),
        (lambda atoms: atoms.info.update(REF_energy="abc"), "energy of a frame .* is 'abc', no number"),
        (lambda atoms: atoms.info.update(REF_stress=np.zeros(6)), "has 6 components"),
        (lambda atoms: atoms.info.update(REF_stress=np.eye(3) + 0.1 * np.eye(3, k=1)), "not symmetric.*at most"),
        (lambda atoms: atoms.positions.__setitem__((0, 0), np.nan), "positions value that is NaN"),
        (lambda atoms: atoms.cell.__setitem__(0, np.nan), "cell value that is NaN"),
        (lambda atoms: atoms.cell.__setitem__(slice(None), 0.0), "0 Å³ per atom"),
        (flatten, "correct the cell"),
        (lambda atoms: atoms.set_pbc(False), "not periodic"),
        (lambda atoms: atoms.positions.__setitem__(1, atoms.positions[0]), "they collide"),
    ],
)
def test_a_broken_frame_is_refused(frames, change, reason):
    """Neighbours in a cell that is singular or not a number are looked for without end."""
    broken = [atoms.copy() for atoms in frames[:30]]
    change(broken[4])
    with pytest.raises(DatasetError, match=reason):
        check_frames(Frames(broken, frames[30:35], frames[35:]), 10)


def test_documents_that_name_other_frames_are_refused(frames, make_dataset):
    dataset = make_dataset(frames[:20], frames[20:40], [])
    read_frames(dataset)
    for change in ({"train": dataset.valid}, {"dataset_sha256": "0" * 64}, {"label_method": "VASP"}):
        with pytest.raises(DatasetError, match="dataset_sha256 is .* hash to"):
            read_frames(dataset.model_copy(update=change))


@pytest.mark.parametrize("moved", ["not", "shifted", "lattice", "reordered"])
def test_copies_of_frames_are_found(frames, moved):
    copy = frames[3].copy()
    if moved == "shifted":
        copy.positions += (0.3, -0.2, 4.0)
    elif moved == "lattice":
        copy.positions[2] += copy.cell[1] - 2 * copy.cell[0]
    elif moved == "reordered":
        copy = copy[::-1]
    for again, reason in (
        (Frames([*frames[:30], copy], frames[30:35], []), "1 of 31 training frames are there more than once"),
        (Frames(frames[:30], [frames[31], copy], []), "1 of 2 validation frames are training frames"),
        (Frames([*frames[:3], *frames[10:]], frames[3:10], [copy]), "1 of 1 test frames are validation frames"),
    ):
        with pytest.raises(DatasetError, match=reason):
            check_frames(again, 3)


def test_frames_that_hardly_differ_are_no_copies(frames):
    nearly = frames[3].copy()
    split = Frames(frames[:30], [*frames[30:35], nearly], [])
    with pytest.raises(DatasetError, match="1 of 6 validation frames are training frames"):
        check_frames(split, 10)
    nearly.positions[0, 0] += 0.002
    check_frames(split, 10)
