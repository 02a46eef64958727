"""Labels from the stand-in VASP in a FireWorks campaign, a fifth of the frames with an injected failure of some kind.

``python campaign_with_failures.py N FOLDER [ROLE ...]`` runs N frames, on a worker for each role given, and prints what
it finds; if it is killed, the same command goes on.
"""

import collections
import importlib
import os
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
bench = importlib.import_module("vasp_bench")
labellers = importlib.import_module("labellers")
cheap_potential = importlib.import_module("cheap_potential")

FAULTS = {
    "crash": "calculation failed",
    "hang": "timed out",
    "unconverged": "electronic steps not converged",
    "truncate": "incomplete output",
    "disk": "disk full",
}
"""Injected faults, and the kinds that the quarantine has to list them under."""


def run_campaign(
    folder,
    n_frames,
    *,
    faults=tuple(FAULTS),
    n_retries=1,
    n_transient=0,
    workers=("cpu", "dft", "dft"),
    hang_s=15.0,
    timeout_s=3000,
):
    """Label frames with injected failures; return the labels, the frames, the faults and the jobs' states.

    A fifth of the frames fails at each attempt, the kinds in turn; ``n_transient`` more crash at the first one only.
    In the folder of a campaign that was killed it goes on from what is finished.
    """
    from disolyte.labelling.schema import LabelDoc
    from disolyte.ownership import own_folder
    from disolyte.workers.campaign import Campaign
    from disolyte.workers.database import start_embedded
    from disolyte.workers.processes import ProcessRegistry

    structures, frames = bench.salt_frames(n_frames)
    faulty = {index: faults[i % len(faults)] for i, index in enumerate(range(2, n_frames, 5))}
    fault_file = folder / "faults.json"
    goes_on = fault_file.exists()
    if not goes_on:
        folder.mkdir(parents=True)
        bench.write_faults(fault_file, [structures[index] for index in faulty], faulty.values())
        transient = [index for index in range(n_frames) if index not in faulty][:n_transient]
        bench.write_faults(fault_file, [structures[index] for index in transient], ["crash"] * n_transient, times=1)
    os.environ |= {
        "PMG_VASP_PSP_DIR": str(bench.write_potcars(folder / "potentials")),
        "STAND_IN_VASP_FAULTS": str(fault_file),
        "PYTHONPATH": str(HERE),
    }
    with own_folder(folder / "run"):
        registry = ProcessRegistry(folder / "run")
        try:
            registry.stop_all()
            campaign = Campaign("labels", folder / "run", start_embedded(registry))
            campaign.write_configuration()
            if goes_on:
                print("made ready again:", campaign.recover(failed=False), flush=True)
            else:
                campaign.submit(_label_flow(frames, n_retries=n_retries, hang_s=hang_s))
            campaign.start_workers(workers, threads=1)
            deadline = time.monotonic() + timeout_s
            for jobs in campaign.watch(poll_s=1.0):
                if time.monotonic() > deadline:
                    raise TimeoutError(collections.Counter(job.state for job in jobs))
            jobs = campaign.jobs()
            failures = list(campaign.failures())
            if failures:
                raise RuntimeError(failures)
            store = campaign.job_store()
            uuid = store.query_one({"name": "label frames"}, ["uuid"])["uuid"]
            labels = LabelDoc.model_validate(store.get_output(uuid, load=True))
            sizes = _document_sizes(campaign)
        finally:
            registry.stop_all()
    return labels, frames, faulty, jobs, failures, sizes


def _label_flow(frames, *, n_retries, hang_s):
    """The sample comes out of a job; SCAN with the stand-in labels it; roles go to workers of their own."""
    from jobflow import Flow

    from disolyte.labelling.makers import LabelMaker
    from disolyte.labelling.vasp import ScanStaticMaker
    from disolyte.workers.routing import assign_workers

    static_maker = ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs(hang_s=hang_s))
    give = labellers.GiveSampleMaker().make(frames)
    label_maker = LabelMaker(
        static_maker=static_maker, retry_makers=[static_maker] * n_retries, chunk_size=25, minimum_fraction=0.7
    )
    label = label_maker.make(give.output)
    return assign_workers(Flow([give, label]), {"cpu": {"_category": "cpu"}, "dft": {"_category": "dft"}})


def _document_sizes(campaign):
    """Largest document and largest job specification, bytes of BSON."""
    import bson

    documents = campaign.job_store().docs_store.query()
    specs = campaign.launchpad().fireworks.find()
    return max(len(bson.encode(doc)) for doc in documents), max(len(bson.encode(doc)) for doc in specs)


def largest_deviations(labels):
    """Largest deviation of accepted labels from the cheap potential: energy (eV), force (eV/Å), stress (eV/Å³)."""
    from ase.data import chemical_symbols

    from disolyte.labelling.labels import iter_labelled_frames

    worst = np.zeros(3)
    for frame in iter_labelled_frames(labels):
        symbols = [chemical_symbols[number] for number in frame.numbers]
        energy, forces, stress = cheap_potential.evaluate(symbols, frame.positions_ang, frame.cell_ang)
        found = frame.label
        deviations = (
            abs(found.energy_ev - energy),
            np.abs(found.forces_ev_per_ang - forces).max(),
            np.abs(found.stress_ev_per_ang3 - stress).max(),
        )
        worst = np.maximum(worst, deviations)
    return worst


def main():
    n_frames, folder = int(sys.argv[1]), Path(sys.argv[2])
    workers = sys.argv[3:] or ("cpu", "dft", "dft")
    begin = time.monotonic()
    found = run_campaign(folder, n_frames, n_transient=n_frames // 20, workers=workers)
    labels, frames, faulty, jobs, failures, sizes = found
    print(f"{n_frames} frames in {time.monotonic() - begin:.0f} s; jobs: {len(jobs)}")
    print("states:", dict(collections.Counter(job.state for job in jobs)))
    print("categories:", dict(collections.Counter((job.name.rstrip(" 0123456789"), job.category) for job in jobs)))
    print("job failures:", len(failures), failures[:1])
    print("labelled:", labels.n_labelled, "of", labels.n_submitted)
    print("injected:", dict(collections.Counter(FAULTS[kind] for kind in faulty.values())))
    print("rejected:", dict(collections.Counter(item.kind.value for item in labels.rejections)))
    print("largest deviations (eV, eV/Å, eV/Å³):", largest_deviations(labels))
    print("largest document and spec (bytes):", sizes)
    by_frame = {(frames.family[index], frames.md_step[index]): FAULTS[kind] for index, kind in faulty.items()}
    listed = {(item.family, item.md_step): item.kind.value for item in labels.rejections}
    print("every injected failure is listed with its kind:", by_frame == listed)
    for item in {item.kind: item for item in labels.rejections}.values():
        print(f"  {item.kind.value}: {item.reason[:400]}")


if __name__ == "__main__":
    main()
