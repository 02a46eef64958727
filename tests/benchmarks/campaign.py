"""A campaign of the published size with cheap potentials: what disolyte adds to bare jobflow and FireWorks.

``python tests/benchmarks/campaign.py [--scale 1.0] [--batches] [--skip-bare] [--folder FOLDER]``

The same flow of real labelling jobs (11 compositions, 80 structures, 2,500 labels at scale 1) goes through two workers
twice: once with ``flow_to_workflow`` and ``rapidfire`` alone, once as a campaign with roles, names and a watcher.
Each label is a job of its own, as DFT has it, or, with ``--batches``, one of 25 in a job, as a cheap potential has it.
Printed are the time per job of both, by the clock and of the processors, the overhead, the time of submission and of
``status``, and the largest documents. On a machine that others use, the processors' time is the one to go by.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
N_COMPOSITIONS, N_STRUCTURES, N_LABELS = 11, 80, 2500
BARE_WORKER = """
import sys, time
from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import rapidfire
launchpad = LaunchPad.from_file(sys.argv[1])
while launchpad.fireworks.count_documents({"state": {"$in": ["READY", "RUNNING", "WAITING", "RESERVED"]}}):
    rapidfire(launchpad, FWorker(), m_dir=".", max_loops=1, nlaunches=-1, sleep_time=1)
    time.sleep(0.2)
"""


def make_flow(scale: float, in_batches: bool):
    """Compositions, then their labels, and a dataset."""
    from jobflow import Flow

    from disolyte.labelling.makers import DatasetMaker, LabelMaker

    makers = importlib.import_module("campaign_makers")
    n_compositions = max(2, round(N_COMPOSITIONS * math.sqrt(scale)))
    n_frames = max(2, round(N_LABELS * scale / N_STRUCTURES / math.sqrt(scale)))
    n_structures = max(1, round(N_STRUCTURES * math.sqrt(scale) / n_compositions))
    samples = [
        makers.CompositionMaker(n_structures=n_structures, n_frames=n_frames, seed=seed).make()
        for seed in range(n_compositions)
    ]
    if in_batches:
        label_maker = LabelMaker(static_maker=makers.LennardJonesBatchMaker(), chunk_size=25)
    else:
        label_maker = LabelMaker(static_maker=makers.LennardJonesStaticMaker(), chunk_size=50)
    label = label_maker.make([sample.output for sample in samples])
    dataset = DatasetMaker(minimum_fraction=0.0).make(label.output)
    return Flow([*samples, label, dataset]), n_compositions * n_structures * n_frames


def environment(folder: Path) -> dict[str, str]:
    """Environment of workers."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "JOBFLOW_CONFIG_FILE": str(folder / "jobflow.yaml"), "OMP_NUM_THREADS": "1"}


def cpu_s() -> float:
    """Processor time of this process and of those it has ended: database, workers, watcher."""
    mine, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime


def run_bare(folder: Path, scale: float, in_batches: bool) -> dict[str, float]:
    """The flow with jobflow and FireWorks alone."""
    from jobflow.managers.fireworks import flow_to_workflow

    from disolyte.cli.session import open_campaign

    with open_campaign(folder) as campaign:
        launchpad = campaign.launchpad()
        started = time.monotonic()
        launchpad.add_wf(flow_to_workflow(make_flow(scale, in_batches)[0]))
        submitted = time.monotonic()
        (folder / "bare").mkdir()
        command = [sys.executable, "-c", BARE_WORKER, str(folder / "my_launchpad.yaml")]
        workers = [
            subprocess.Popen(
                command,
                cwd=folder / "bare",
                env=os.environ | environment(folder),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]
        for worker in workers:
            worker.wait()
        ended = time.monotonic()
        n_jobs = launchpad.fireworks.count_documents({"state": "COMPLETED"})
        assert n_jobs == launchpad.fireworks.count_documents({}), "some bare jobs failed"
    return {"submission_s": submitted - started, "wall_s": ended - submitted, "n_jobs": n_jobs}


def run_campaign(folder: Path, scale: float, in_batches: bool) -> dict[str, float]:
    """The flow as a campaign."""
    import bson

    from disolyte.cli.session import open_campaign
    from disolyte.results.quarantine import count_quarantined
    from disolyte.results.query import Results
    from disolyte.workers.routing import assign_workers
    from disolyte.workers.status import campaign_status

    os.environ["PYTHONPATH"] = environment(folder)["PYTHONPATH"]
    with open_campaign(folder) as campaign:
        started = time.monotonic()
        campaign.submit(assign_workers(make_flow(scale, in_batches)[0], campaign.files.categories()))
        submitted = time.monotonic()
        campaign.start_workers(["any", "any"], threads=1)
        *_, jobs = campaign.watch()
        ended = time.monotonic()
        assert {job.state for job in jobs} == {"COMPLETED"}, list(campaign.failures())[:1]
        store, launchpad = campaign.job_store(), campaign.launchpad()
        asked = time.monotonic()
        campaign_status(campaign, count_quarantined(Results(store, campaign.name)))
        status_s = time.monotonic() - asked

        def largest(documents) -> float:
            return max(len(bson.encode(document)) for document in documents) / 1e6

        return {
            "submission_s": submitted - started,
            "wall_s": ended - submitted,
            "n_jobs": len(jobs),
            "status_s": status_s,
            "largest_document_mb": largest(store.docs_store._coll.find()),
            "largest_spec_mb": largest(launchpad.fireworks.find()),
            "largest_launch_mb": largest(launchpad.launches.find()),
            "workflow_mb": largest(launchpad.workflows.find()),
        }


def timed(run: Callable[..., dict[str, float]], folder: Path, scale: float, in_batches: bool) -> dict[str, float]:
    """Findings of a run, with the processor time that it took."""
    before = cpu_s()
    found = run(folder, scale, in_batches)
    return {**found, "cpu_s": cpu_s() - before}


def main() -> None:
    """Run both and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--skip-bare", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    root = arguments.folder or Path(tempfile.mkdtemp(prefix="disolyte-campaign-"))
    size = (arguments.scale, arguments.batches)
    result: dict[str, object] = {"scale": arguments.scale, "n_labels": make_flow(*size)[1]}
    if not arguments.skip_bare:
        result["bare"] = bare = timed(run_bare, root / "bare", *size)
    result["campaign"] = ours = timed(run_campaign, root / "campaign", *size)
    if not arguments.skip_bare:
        for clock, n_workers in (("wall_s", 2), ("cpu_s", 1)):
            per_job = [n_workers * run[clock] / run["n_jobs"] for run in (bare, ours)]
            result[f"{clock}_per_job"] = {"bare": per_job[0], "campaign": per_job[1]}
            result[f"overhead_percent_{clock}"] = 100 * (per_job[1] / per_job[0] - 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
