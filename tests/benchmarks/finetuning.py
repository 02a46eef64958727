"""Speed and memory of fine-tuning: one JSON line.

Run ``python tests/benchmarks/finetuning.py [repeats]``; three repeats take a quarter of an hour on two cores.

Both sides train the small reference model with two heads on the same frames, for the same number of epochs, with the
same seed and options. Ours is the whole job: :class:`disolyte.finetuning.makers.FinetuneMaker` run by jobflow, with the
labels of the replay frames, the export of the head, and errors and parity on the test frames. Theirs is
``mace_run_train`` alone, in the folder that one of our runs prepared: replay frames and E0s are given to it. Each
run is a process of its own, and the sides alternate.

``ratio``
    Wall time of ours over theirs, medians.
``cpu_ratio``
    The same with processor time, which other work on the machine disturbs less.
``memory_ratio``
    Largest resident set of our training process over theirs.
``rmse``
    Force errors of both models on the test frames, eV/Å: the work was the same.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_TRAIN, N_HELD, N_REPLAY, N_EPOCHS = 160, 40, 80, 10


def make_dataset(folder):
    """Labels of the foundation itself, steepened by a tenth, as a document on disk."""
    import io

    import numpy as np
    from ase.io import write

    from disolyte.blobs import Blob
    from disolyte.finetuning.reference.structures import HalideOrderings, training_structures
    from disolyte.labelling.schema import DatasetDoc, hash_dataset
    from disolyte.models import SHIPPED, ModelSource, load_model

    frames = training_structures(N_TRAIN + 2 * N_HELD, HalideOrderings(), np.random.default_rng(3), (0.05, 0.1))
    predicted = load_model(ModelSource(name=SHIPPED)).predict(frames)
    for i, atoms in enumerate(frames):
        atoms.info["REF_energy"] = 1.1 * predicted.energies_ev[i]
        atoms.info["REF_stress"] = 1.1 * predicted.stresses_ev_per_ang3[i]
        atoms.arrays["REF_forces"] = 1.1 * predicted.forces_ev_per_ang[i]
    parts = {"train": frames[: -2 * N_HELD], "valid": frames[-2 * N_HELD : -N_HELD], "test": frames[-N_HELD:]}
    blobs = {}
    for split, content in parts.items():
        text = io.StringIO()
        write(text, content, format="extxyz")
        blobs[split] = Blob.from_bytes(text.getvalue().encode())
    document = DatasetDoc(
        **blobs, **{f"n_{split}": len(content) for split, content in parts.items()},
        families={split: [] for split in parts}, compositions={split: {} for split in parts},
        elements=["Li", "Cl", "Br", "Y", "In"], reference_energies_ev={}, label_method="steepened foundation",
        is_surrogate=True, dataset_sha256=hash_dataset(blobs, "steepened foundation"), quarantine=[],
    )  # fmt: skip
    (folder / "dataset.json").write_text(document.model_dump_json())


def run_ours(folder):
    """The whole job; prints the error and the largest resident set of the training process, kB."""
    from jobflow import Flow, JobStore, run_locally
    from maggma.stores import MemoryStore

    from disolyte.finetuning.makers import FinetuneMaker
    from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
    from disolyte.labelling.schema import DatasetDoc
    from disolyte.models import SHIPPED, ModelSource
    from disolyte.models.schema import ModelDoc

    options = FinetuneOptions(max_num_epochs=N_EPOCHS, patience=N_EPOCHS, dtype="float32", lr=0.005)
    maker = FinetuneMaker(
        foundation=ModelSource(name=SHIPPED), options=options, replay=ReplayOptions(n_frames=N_REPLAY), seed=1
    )
    job = maker.make(DatasetDoc.model_validate_json((folder.parent / "dataset.json").read_text()))
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    run_locally(Flow([job]), store=store, ensure_success=True, root_dir=folder)
    document = ModelDoc.model_validate(store.get_output(job.uuid, load=True))
    memory_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"rmse": document.errors[0].overall.force_rmse_ev_per_ang, "memory_kb": memory_kb}))


def run_theirs(folder):
    """``mace_run_train`` with the arguments of our run; prints the largest resident set, kB."""
    arguments = json.loads((folder / "run.json").read_text())["arguments"]
    with (folder / "plain.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "mace.cli.run_train", *arguments],
            cwd=folder, check=True, stdout=log, stderr=log,
        )  # fmt: skip
    print(json.dumps({"memory_kb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))


def judge_theirs(folder):
    """Force error of the plain run's model on the test frames, eV/Å."""
    import mace  # noqa: F401
    import torch

    from disolyte.finetuning.metrics import compare, quantity_errors
    from disolyte.labelling.schema import DatasetDoc
    from disolyte.models.loaded import LoadedModel
    from disolyte.models.loading import select_head

    module = torch.load(folder / "finetuned.model", map_location="cpu", weights_only=False)
    model = LoadedModel(select_head(module, "target", name="plain"), name="plain", sha256="")
    dataset = DatasetDoc.model_validate_json((folder.parent / "dataset.json").read_text())
    print(json.dumps({"rmse": quantity_errors(compare(model, dataset.to_atoms("test"))).force_rmse_ev_per_ang}))


def in_own_process(function, folder):
    """Wall and processor time of a function of this file in a process of its own, s, and what it printed last."""
    started, used = time.perf_counter(), cpu_of_children_s()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, function, str(folder)],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return time.perf_counter() - started, cpu_of_children_s() - used, json.loads(done.stdout.splitlines()[-1])


def cpu_of_children_s():
    """Processor time of all processes that this one has waited for, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(repeats):
    """Alternate both sides and compare the medians."""
    walls = {"ours": [], "theirs": []}
    cpus = {"ours": [], "theirs": []}
    memories = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        make_dataset(base)
        for number in range(repeats):
            ours, theirs = base / f"ours-{number}", base / f"theirs-{number}"
            ours.mkdir()
            theirs.mkdir()
            wall, cpu, found = in_own_process("run_ours", ours)
            walls["ours"].append(wall)
            cpus["ours"].append(cpu)
            memories["ours"].append(found["memory_kb"])
            rmse = {"ours": found["rmse"]}
            for name in (
                "run.json",
                "train.xyz",
                "valid.xyz",
                "replay_train.xyz",
                "replay_valid.xyz",
                "foundation.model",
            ):
                shutil.copy(ours / "training" / name, theirs / name)
            wall, cpu, found = in_own_process("run_theirs", theirs)
            walls["theirs"].append(wall)
            cpus["theirs"].append(cpu)
            memories["theirs"].append(found["memory_kb"])
            rmse["theirs"] = in_own_process("judge_theirs", theirs)[-1]["rmse"]
    middle, middle_cpu = ({side: statistics.median(v) for side, v in times.items()} for times in (walls, cpus))
    largest = {side: max(values) for side, values in memories.items()}
    return {
        "frames": N_TRAIN, "replay": N_REPLAY, "epochs": N_EPOCHS,
        "wall_s": {side: [round(value, 1) for value in values] for side, values in walls.items()},
        "ratio": round(middle["ours"] / middle["theirs"], 3),
        "cpu_s": {side: [round(value, 1) for value in values] for side, values in cpus.items()},
        "cpu_ratio": round(middle_cpu["ours"] / middle_cpu["theirs"], 3),
        "memory_mb": {side: round(value / 1024) for side, value in largest.items()},
        "memory_ratio": round(largest["ours"] / largest["theirs"], 3),
        "rmse": {side: round(value, 5) for side, value in rmse.items()},
    }  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3:
        {"run_ours": run_ours, "run_theirs": run_theirs, "judge_theirs": judge_theirs}[sys.argv[1]](Path(sys.argv[2]))
    else:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
