"""Routing by role through replacements, detours and additions."""

import importlib
import sys
from pathlib import Path

import pytest
from jobflow import Flow, run_locally

from disolyte.errors import WorkerError
from disolyte.workers.roles import Role
from disolyte.workers.routing import assign_workers, role_of

sys.path.insert(0, str(Path(__file__).parent))
makers = importlib.import_module("makers_for_routing")

WORKERS = {"cpu": {"_category": "small"}, "gpu": {"_category": "big"}}


def categories_of_all_jobs(flow, store, monkeypatch):
    """Run a flow and give (name, category) of every job that ran, dynamic ones included."""
    from jobflow import Job

    seen = []
    run = Job.run

    def spy(self, *args, **kwargs):
        seen.append((self.name, self.config.manager_config.get("_category")))
        return run(self, *args, **kwargs)

    monkeypatch.setattr(Job, "run", spy)
    run_locally(flow, store=store, ensure_success=True, log=False)
    return seen


def test_role_holds_for_every_job_made_later(job_store, monkeypatch, clean_dir):
    flow = Flow([makers.FanOutMaker(depth=2).make(1), makers.DoublingFanOutMaker().make(1)])
    seen = categories_of_all_jobs(assign_workers(flow, WORKERS), job_store, monkeypatch)

    expected = {"heavy": "big", "light": "small", "fan out": "small", "heavy fan out": "big", "store_inputs": "small"}
    assert {category for _, category in seen} == {"small", "big"}
    assert len(seen) == 3 * 5 + 2
    assert [(name, category) for name, category in seen if expected[name] != category] == []


def test_without_assignment_the_trap_is_real(job_store, monkeypatch, clean_dir):
    """jobflow by itself hands the parent's configuration on; if this fails, routing may be simplified."""
    flow = Flow([makers.FanOutMaker(depth=0).make(1)])
    flow.update_config({"manager_config": {"_category": "small"}}, name_filter="fan out")
    flow.update_config({"manager_config": {"_category": "big"}}, name_filter="heavy")
    seen = categories_of_all_jobs(flow, job_store, monkeypatch)
    assert ("heavy", "small") in seen


def test_override_by_name(job_store, monkeypatch, clean_dir):
    flow = assign_workers(Flow([makers.FanOutMaker(depth=0).make(1)]), WORKERS, by_name={"light": "gpu"})
    assert ("light", "big") in categories_of_all_jobs(flow, job_store, monkeypatch)


def test_roles_survive_serialisation(job_store, monkeypatch, clean_dir):
    """A job taken from the LaunchPad routes its children as the original would."""
    import json

    from monty.json import MontyDecoder, MontyEncoder

    job = makers.FanOutMaker(depth=0).make(1)
    assign_workers(Flow([job]), WORKERS)
    copy = MontyDecoder().process_decoded(json.loads(json.dumps(job, cls=MontyEncoder)))
    response = copy.run(job_store)
    assert {j.name: j.config.manager_config["_category"] for j in response.replace.jobs} == {
        "heavy": "big",
        "light": "small",
        "store_inputs": "small",
    }


def test_missing_and_unknown_roles_are_named():
    flow = Flow([makers.FanOutMaker().make(1)])
    with pytest.raises(WorkerError, match="role 'gpu'.*cpu"):
        assign_workers(flow, {"cpu": {}})
    with pytest.raises(WorkerError, match="unknown role 'tpu'.*cpu, gpu, dft"):
        assign_workers(flow, {"tpu": {}})


def test_roles_of_foreign_makers():
    from atomate2.forcefields.jobs import ForceFieldStaticMaker
    from atomate2.vasp.jobs.core import StaticMaker

    assert role_of(StaticMaker()) is Role.DFT
    assert role_of(ForceFieldStaticMaker) is Role.GPU
    assert role_of(makers.LightMaker()) is Role.CPU
