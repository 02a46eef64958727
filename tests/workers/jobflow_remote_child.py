"""Run a fan-out through jobflow-remote with a local worker for each role; print the worker of every job.

``python jobflow_remote_child.py FOLDER MONGODB_URI``
"""

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
WORKERS = {"cpu": {"worker": "small"}, "gpu": {"worker": "big"}}


def write_project(folder, uri):
    """Project with two local workers, on one database."""
    environment = f"export PYTHONPATH={os.pathsep.join([str(HERE), *sys.path[1:]])}; export PATH={os.environ['PATH']}"
    environment += f"; export JFREMOTE_PROJECTS_FOLDER={folder}; export JFREMOTE_PROJECT=tried"
    worker = {"type": "local", "scheduler_type": "shell", "timeout_execute": 60, "pre_run": environment}
    store = {"host": uri, "database": "tried"}
    content = {
        "name": "tried",
        "base_dir": str(folder / "base"),
        "runner": dict.fromkeys(("delay_checkout", "delay_check_run_status", "delay_advance_status"), 1),
        "workers": {name: {**worker, "work_dir": str(folder / name)} for name in ("small", "big")},
        "queue": {"store": {"type": "MongoStore", "collection_name": "jobs", **store}},
        "exec_config": {},
        "jobstore": {
            "docs_store": {"type": "MongoStore", "collection_name": "outputs", **store},
            "additional_stores": {"data": {"type": "GridFSStore", "collection_name": "blobs", **store}},
        },
    }
    for name in ("small", "big"):
        (folder / name).mkdir()
    (folder / "tried.json").write_text(json.dumps(content))


def main(folder, uri):
    os.environ |= {"JFREMOTE_PROJECTS_FOLDER": str(folder), "JFREMOTE_PROJECT": "tried"}
    write_project(folder, uri)
    sys.path.insert(0, str(HERE))
    import makers_for_routing as makers
    from jobflow import Flow
    from jobflow_remote import submit_flow
    from jobflow_remote.jobs.jobcontroller import JobController
    from jobflow_remote.jobs.runner import Runner

    from disolyte.workers.routing import assign_workers

    controller = JobController.from_project_name("tried")
    controller.reset()
    first = makers.FanOutMaker(depth=0).make(1)
    submit_flow(assign_workers(Flow([first]), WORKERS), project="tried", worker="small")
    Runner(project_name="tried").run_all_jobs(max_seconds=200)
    jobs = [
        {"name": job.name, "worker": job.worker, "state": job.state.value, "error": job.error}
        for job in controller.get_jobs_info()
    ]
    output = controller.jobstore.get_output(first.uuid) if all(job["state"] == "COMPLETED" for job in jobs) else None
    print(json.dumps({"jobs": jobs, "output": output}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
