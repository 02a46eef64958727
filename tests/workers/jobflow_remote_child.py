"""Run a flow through jobflow-remote with a local worker for each role; print role and worker of every job.

``python jobflow_remote_child.py FOLDER MONGODB_URI FILE.py:FUNCTION``
"""

import importlib
import json
import os
import sys
from pathlib import Path

WORKERS = {role: {"worker": f"{role}_worker"} for role in ("cpu", "gpu", "dft")}
PATIENCE_S = 1500


def write_project(folder, uri):
    """Project with a local worker for each role, on one database."""
    path = os.pathsep.join(sys.path[1:])
    environment = f"export PYTHONPATH={path}; export PATH={os.environ['PATH']}; export OMP_NUM_THREADS=1"
    environment += f"; export JFREMOTE_PROJECTS_FOLDER={folder}; export JFREMOTE_PROJECT=tried"
    worker = {"type": "local", "scheduler_type": "shell", "timeout_execute": 60, "pre_run": environment}
    store = {"host": uri, "database": "tried"}
    names = [config["worker"] for config in WORKERS.values()]
    content = {
        "name": "tried",
        "base_dir": str(folder / "base"),
        "runner": dict.fromkeys(("delay_checkout", "delay_check_run_status", "delay_advance_status"), 1),
        "workers": {name: {**worker, "work_dir": str(folder / name)} for name in names},
        "queue": {"store": {"type": "MongoStore", "collection_name": "jobs", **store}},
        "exec_config": {},
        "jobstore": {
            "docs_store": {"type": "MongoStore", "collection_name": "outputs", **store},
            "additional_stores": {"data": {"type": "GridFSStore", "collection_name": "blobs", **store}},
        },
    }
    for name in names:
        (folder / name).mkdir()
    (folder / "tried.json").write_text(json.dumps(content))


def main(folder, uri, target):
    os.environ |= {"JFREMOTE_PROJECTS_FOLDER": str(folder), "JFREMOTE_PROJECT": "tried"}
    file, _, function = target.partition(":")
    sys.path.insert(1, str(Path(file).parent))
    write_project(folder, uri)
    from jobflow_remote import submit_flow
    from jobflow_remote.jobs.jobcontroller import JobController
    from jobflow_remote.jobs.runner import Runner

    from disolyte.workers.routing import assign_workers, role_of

    controller = JobController.from_project_name("tried")
    controller.reset()
    flow = getattr(importlib.import_module(Path(file).stem), function)()
    submit_flow(assign_workers(flow, WORKERS), project="tried", worker="cpu_worker")
    Runner(project_name="tried").run_all_jobs(max_seconds=PATIENCE_S)
    jobs = [
        {
            "name": entry.job.name,
            "role": role_of(entry.job.maker),
            "worker": entry.worker,
            "state": entry.state.value,
            "error": entry.error or (entry.remote.error if entry.remote else None),
        }
        for entry in controller.get_jobs_doc()
    ]
    print(json.dumps({"jobs": jobs, "n_static": len(list(flow.iterflow()))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
