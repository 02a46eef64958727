"""2,500 frames: no document, specification or detour comes near MongoDB's 16 MB."""

import importlib
import sys
from pathlib import Path

import bson
import numpy as np
import pytest
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore
from pymatgen.core import Lattice, Structure

from disolyte.labelling.frames import select_frames, to_frame_batch
from disolyte.labelling.makers import LabelMaker
from disolyte.labelling.schema import LabelDoc

sys.path.insert(0, str(Path(__file__).parent))
labellers = importlib.import_module("labellers")

N_FRAMES, N_ATOMS, LIMIT_BYTES = 2500, 160, 16 * 1024**2


@pytest.fixture(scope="module")
def frames():
    """As many frames as the published datasets hold, of larger cells."""
    rng = np.random.default_rng(0)
    lattice = Lattice.cubic(16.0)
    species = ["Li"] * 60 + ["In"] * 10 + ["Y"] * 10 + ["Cl"] * 40 + ["Br"] * 40
    one = to_frame_batch([Structure(lattice, species, rng.random((N_ATOMS, 3)))])
    from disolyte.blobs import Blob

    return one.model_copy(
        update={
            "numbers": Blob.from_array(np.tile(one.numbers.to_array(), N_FRAMES)),
            "positions_ang": Blob.from_array(16 * rng.random((N_FRAMES * N_ATOMS, 3))),
            "cells_ang": Blob.from_array(np.tile(one.cells_ang.to_array(), (N_FRAMES, 1, 1))),
            "n_atoms": Blob.from_array(np.tile(one.n_atoms.to_array(), N_FRAMES)),
            "family": [f"Li6InYCl4Br4-{index // 30:03d}" for index in range(N_FRAMES)],
            "composition": ["Li6InYCl4Br4"] * N_FRAMES,
            "md_step": [10 * (index % 30) for index in range(N_FRAMES)],
            "strain": [[0.01] * 6] * N_FRAMES,
        }
    )


def size_of(workflow):
    return len(bson.encode(workflow.to_dict()))


def largest_spec(workflow):
    return max(len(bson.encode(firework.to_dict())) for firework in workflow.fws)


def test_specifications_and_detours_stay_small(frames, clean_dir, job_store):
    give = labellers.GiveSampleMaker().make(frames)
    give.run(job_store)
    label = LabelMaker().make(give.output)
    fan_out = label.run(job_store).replace
    workflow = flow_to_workflow(fan_out, job_store)
    assert len(workflow.fws) == N_FRAMES / 50 + 1
    assert size_of(workflow) < 2e6, "names of the frames, not frames"
    detour = flow_to_workflow(fan_out.jobs[0].run(job_store).replace, job_store)
    assert len(detour.fws) == 50 + 1, "a job per label, and one that collects them"
    assert size_of(detour) < LIMIT_BYTES / 2
    assert largest_spec(detour) < LIMIT_BYTES / 4


def test_documents_stay_small(frames, clean_dir):
    from jobflow import JobStore

    from disolyte.labelling.labels import Label, build_label_doc

    rng = np.random.default_rng(1)
    labels = [Label(-4.0 * N_ATOMS, rng.normal(size=(N_ATOMS, 3)), np.zeros((3, 3))) for _ in range(N_FRAMES)]
    document = build_label_doc(frames, labels, label_method="VASP SCAN", is_surrogate=False, record={"caveats": []})
    small = build_label_doc(
        select_frames(frames, [7]), labels[:1], label_method="VASP SCAN", is_surrogate=False, record={"caveats": []}
    )
    assert len(small.model_dump_json()) < 20_000, "the label of one frame"

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    # as the job of the merged labels stores them: blobs apart
    store.update(
        {"uuid": "labels", "index": 1, "output": document.model_dump(mode="json")},
        key=["uuid", "index"],
        save={"data": ["payload"]},
    )
    stored = next(store.docs_store.query({"uuid": "labels"}))
    assert len(bson.encode(stored)) < 2e6
    assert LabelDoc.model_validate(store.get_output("labels", load=True)).n_labelled == N_FRAMES
