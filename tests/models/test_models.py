"""Loading, integrity and the physics of predictions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from disolyte.blobs import Blob
from disolyte.errors import InputError, ModelCoverageError, ModelIntegrityError, ModelNotFoundError, StoreError
from disolyte.finetuning.reference.structures import distort, random_ordering
from disolyte.models import SHIPPED, SMALL_MODEL_CAVEAT, ModelDoc, ModelSource, PackedModel, load_model
from disolyte.models.sources import KNOWN_SHA256

DATA = Path(load_model.__code__.co_filename).parent / "data"


@pytest.fixture(scope="module")
def model():
    return load_model(ModelSource(name=SHIPPED), dtype="float64")


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(7)
    made = [random_ordering(rng, repeat) for repeat in ((1, 1, 1), (2, 1, 1), (1, 1, 1))]
    return [distort(atoms, rng, rattle_ang=0.1, strain=0.02, volume=0.02) for atoms in made]


def as_document(packed):
    return ModelDoc(
        name="small", sha256=packed.sha256, single_head=packed, head="Default", heads=["Default"],
        elements=["Li"], r_max_ang=5.0, dtype="float32", caveats=["kept"],
    )  # fmt: skip


def test_shipped_model_covers_the_halides_and_says_what_it_is(model):
    assert set(model.elements) >= {"Li", "In", "Y", "Br", "Cl"}
    assert model.caveats == [SMALL_MODEL_CAVEAT]
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 2e6


def test_forces_are_minus_the_gradient_of_the_energy(model, frames):
    atoms = frames[0]
    forces = model.predict([atoms]).forces_ev_per_ang[0]
    step = 1e-4
    for i, axis in ((0, 0), (7, 1), (15, 2)):
        moved = [atoms.copy(), atoms.copy()]
        moved[0].positions[i, axis] += step
        moved[1].positions[i, axis] -= step
        up, down = model.predict(moved).energies_ev
        assert forces[i, axis] == pytest.approx(-(up - down) / (2 * step), abs=1e-5)


def test_stress_is_the_strain_derivative_of_the_energy(model, frames):
    atoms = frames[0]
    stress = model.predict([atoms]).stresses_ev_per_ang3[0]
    step = 1e-5
    for i, j in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[i, j] += step / 2
        strain[j, i] += step / 2
        strained = [atoms.copy(), atoms.copy()]
        for sign, copy in zip((1, -1), strained, strict=True):
            copy.set_cell(np.array(copy.cell) @ (np.eye(3) + sign * strain), scale_atoms=True)
        up, down = model.predict(strained).energies_ev
        assert stress[i, j] == pytest.approx((up - down) / (2 * step) / atoms.get_volume(), abs=1e-6)


def test_compressed_crystal_has_negative_stress(model, frames):
    squeezed = frames[0].copy()
    squeezed.set_cell(0.94 * np.array(squeezed.cell), scale_atoms=True)
    assert np.trace(model.predict([squeezed]).stresses_ev_per_ang3[0]) < 0


def test_batches_agree_with_the_calculator_in_any_order(model, frames):
    together = model.predict(frames, batch_size=2)
    for i, atoms in enumerate(frames):
        alone = atoms.copy()
        alone.calc = model.calculator()
        assert alone.get_potential_energy() == pytest.approx(together.energies_ev[i], abs=1e-9)
        np.testing.assert_allclose(alone.get_forces(), together.forces_ev_per_ang[i], atol=1e-9)
        np.testing.assert_allclose(alone.get_stress(voigt=False), together.stresses_ev_per_ang3[i], atol=1e-10)


def test_agrees_with_the_calculator_of_mace(model, frames):
    from mace.calculators import MACECalculator

    theirs = frames[1].copy()
    theirs.calc = MACECalculator(models=[model.module], default_dtype="float64", device="cpu")
    ours = model.predict([frames[1]])
    assert theirs.get_potential_energy() == pytest.approx(ours.energies_ev[0], abs=1e-8)
    np.testing.assert_allclose(theirs.get_forces(), ours.forces_ev_per_ang[0], atol=1e-8)


def test_energy_is_extensive_and_blind_to_wrapping(model, frames):
    atoms = frames[0]
    far = atoms.copy()
    far.positions += np.array([3, -2, 5]) @ np.array(atoms.cell)
    far.positions[3] += atoms.cell[1]
    energies = model.predict([atoms, atoms.repeat((2, 1, 1)), far]).energies_ev
    assert energies[1] == pytest.approx(2 * energies[0], abs=1e-8)
    assert energies[2] == pytest.approx(energies[0], abs=1e-8)


def test_molecule_without_a_cell(model):
    from ase import Atoms

    pair = Atoms("LiCl", positions=[[0, 0, 0], [0, 0, 2.2]])
    lone = Atoms("LiCl", positions=[[0, 0, 0], [0, 0, 20.0]])
    forces = model.predict([pair, lone]).forces_ev_per_ang
    np.testing.assert_allclose(forces[0].sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(forces[1], 0, atol=1e-9)


def test_unknown_element_is_named_with_the_remedy(model):
    with pytest.raises(ModelCoverageError, match=r"not made for Na, O.*knows .*Li.*medium"):
        model.predict([bulk("NaCl", "rocksalt", a=5.6), _na2o()])


def _na2o():
    from ase import Atoms

    return Atoms("Na2O", positions=[[0, 0, 0], [2, 0, 0], [0, 2, 0]])


def test_calculator_refuses_unknown_element(model):
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.calc = model.calculator()
    with pytest.raises(ModelCoverageError):
        salt.get_potential_energy()


def test_changed_weights_are_refused(tmp_path):
    for suffix in (".npz", ".json"):
        shutil.copy(DATA / f"{SHIPPED}{suffix}", tmp_path)
    packed = PackedModel.read(tmp_path / f"{SHIPPED}.npz")
    module = packed.to_module()
    with __import__("torch").no_grad():
        next(module.parameters()).add_(1e-3)
    changed = PackedModel.from_module(module)
    (tmp_path / f"{SHIPPED}.npz").write_bytes(changed.weights.to_bytes())
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        load_model(ModelSource(path=str(tmp_path / f"{SHIPPED}.npz")))


@pytest.mark.parametrize("damage", ["truncate", "garbage", "architecture"])
def test_damaged_files_are_refused(tmp_path, damage):
    for suffix in (".npz", ".json"):
        shutil.copy(DATA / f"{SHIPPED}{suffix}", tmp_path)
    weights, record = tmp_path / f"{SHIPPED}.npz", tmp_path / f"{SHIPPED}.json"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "garbage":
        weights.write_bytes(b"not a model")
    else:
        content = json.loads(record.read_text())
        content["architecture"]["r_max"] = 6.0
        record.write_text(json.dumps(content))
    with pytest.raises(ModelIntegrityError):
        load_model(ModelSource(path=str(weights)))


def test_architecture_can_name_nothing_but_blocks_of_mace(tmp_path):
    from disolyte.models.architecture import build_module

    packed = PackedModel.read(DATA / f"{SHIPPED}.npz")
    hostile = {**packed.architecture, "interaction_cls": "torch"}
    with pytest.raises(ModelIntegrityError, match="no building block"):
        build_module(hostile, packed.weights.to_bytes())


def test_pickled_object_in_the_weights_is_not_read():
    import io

    from disolyte.models.architecture import unpack_weights

    stream = io.BytesIO()
    np.savez(stream, bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ModelIntegrityError):
        unpack_weights(stream.getvalue())


def test_missing_foundation_names_file_and_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelNotFoundError) as caught:
        load_model(ModelSource(name="medium", download=False))
    message = str(caught.value)
    assert "20231203mace128L1_epoch199model" in message
    assert str(tmp_path) in message
    assert "path=" in message


def test_cached_foundation_of_wrong_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = tmp_path / "mace" / "20231203mace128L1_epoch199model"
    cached.parent.mkdir()
    cached.write_bytes(b"something else")
    with pytest.raises(ModelIntegrityError, match=KNOWN_SHA256["medium"]):
        load_model(ModelSource(name="medium", download=False))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"medium-mpa-0"):
        load_model(ModelSource(name="enormous"))


def test_pickle_is_read_only_when_vouched_for(tmp_path):
    import hashlib

    import torch

    path = tmp_path / "own.model"
    torch.save(PackedModel.read(DATA / f"{SHIPPED}.npz").to_module(), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ModelIntegrityError, match=f"{sha256}.*trust_file"):
        load_model(ModelSource(path=str(path)))
    with pytest.raises(ModelIntegrityError, match="expected"):
        load_model(ModelSource(path=str(path), sha256="0" * 64))
    vouched = load_model(ModelSource(path=str(path), sha256=sha256))
    trusted = load_model(ModelSource(path=str(path), trust_file=True))
    assert vouched.sha256 == trusted.sha256 == sha256
    assert vouched.name == "own.model"


@pytest.mark.parametrize("name", ["large-0b2", "small-omat-0"])
def test_named_pickle_without_listed_hash_needs_a_word(tmp_path, monkeypatch, name):
    import hashlib

    import torch
    from mace.calculators.foundations_models import mace_mp_urls

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file_name = mace_mp_urls[name].rsplit("/", 1)[-1]
    cached = tmp_path / "mace" / "".join(c for c in file_name if c.isalnum() or c == "_")
    cached.parent.mkdir()
    torch.save(PackedModel.read(DATA / f"{SHIPPED}.npz").to_module(), cached)
    sha256 = hashlib.sha256(cached.read_bytes()).hexdigest()
    with pytest.raises(ModelIntegrityError, match=f"{sha256}.*name='{name}', sha256=.*trust_file"):
        load_model(ModelSource(name=name, download=False))
    assert load_model(ModelSource(name=name, download=False, sha256=sha256)).sha256 == sha256
    assert load_model(ModelSource(name=name, download=False, trust_file=True)).sha256 == sha256


def test_pickle_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "list.model"
    __import__("torch").save([1, 2], path)
    with pytest.raises(ModelIntegrityError, match="holds a list"):
        load_model(ModelSource(path=str(path), trust_file=True))
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        load_model(ModelSource(path=str(path), trust_file=True))


def test_document_through_a_job_store_gives_the_same_forces(job_store, clean_dir, frames, model):
    from dataclasses import dataclass

    from jobflow import Flow, Maker, job, run_locally

    from disolyte.blobs import PAYLOAD_KEY

    @dataclass
    class Pack(Maker):
        name: str = "pack"

        @job(data=[PAYLOAD_KEY], output_schema=ModelDoc)
        def make(self):
            return as_document(PackedModel.read(DATA / f"{SHIPPED}.npz"))

    packing = Pack().make()
    run_locally(Flow([packing]), store=job_store, ensure_success=True)
    stored = job_store.query_one({"uuid": packing.uuid}, load=False)
    assert isinstance(stored["output"]["single_head"]["weights"]["payload"], dict)
    document = ModelDoc.model_validate(job_store.get_output(packing.uuid, load=True))
    again = load_model(document, dtype="float64")
    assert again.sha256 == model.sha256
    assert again.caveats == ["kept"]
    for ours, theirs in zip(
        again.predict(frames).forces_ev_per_ang, model.predict(frames).forces_ev_per_ang, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_document_with_other_weights_is_refused():
    packed = PackedModel.read(DATA / f"{SHIPPED}.npz")
    module = packed.to_module()
    with __import__("torch").no_grad():
        next(module.parameters()).add_(1e-3)
    other = Blob.from_bytes(PackedModel.from_module(module).weights.to_bytes())
    with pytest.raises(ModelIntegrityError, match="corrupt"):
        load_model(as_document(packed.model_copy(update={"weights": other})))


def test_document_with_the_whole_of_another_model_is_refused():
    document = as_document(PackedModel.read(DATA / f"{SHIPPED}.npz"))
    module = document.single_head.to_module()
    with __import__("torch").no_grad():
        next(module.parameters()).add_(1e-3)
    other = PackedModel.from_module(module)
    with pytest.raises(ModelIntegrityError, match=f"{document.sha256}.*{other.sha256}.*mixed up"):
        load_model(document.model_copy(update={"single_head": other}))


def test_flipped_byte_of_the_weights_is_named():
    document = as_document(PackedModel.read(DATA / f"{SHIPPED}.npz"))
    weights = document.single_head.weights
    for broken in (weights.payload[:400] + "0000" + weights.payload[404:], weights.payload[:-7], "é" + weights.payload):
        packed = document.single_head.model_copy(update={"weights": weights.model_copy(update={"payload": broken})})
        with pytest.raises(StoreError, match="is corrupt"):
            load_model(document.model_copy(update={"single_head": packed}))


def test_head_typo_is_refused(model):
    with pytest.raises(InputError, match=r"no head 'scna'.*Default"):
        load_model(ModelSource(name=SHIPPED), head="scna")


def test_default_precision_of_torch_is_left_alone():
    import torch

    before = torch.get_default_dtype()
    load_model(ModelSource(name=SHIPPED), dtype="float64")
    assert torch.get_default_dtype() == before


def test_source_survives_json():
    from monty.json import MontyDecoder, MontyEncoder

    source = ModelSource(path="a/b.model", sha256="1" * 64)
    assert json.loads(json.dumps(source, cls=MontyEncoder), cls=MontyDecoder) == source


def test_loading_again_costs_nothing():
    first = load_model(ModelSource(name=SHIPPED), dtype="float32")
    assert load_model(ModelSource(name=SHIPPED), dtype="float32") is first
    assert load_model(ModelSource(name=SHIPPED), dtype="float64") is not first
