"""The whole pipeline on FireWorks: the category of every job that ever ran, and the trace of every number."""

import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest
from monty.json import MontyDecoder

from disolyte.cli.session import open_campaign
from disolyte.flows.costs import plan_flow
from disolyte.results import Results
from disolyte.results.report import draw_figures, render_report
from disolyte.results.tracing import trace_document
from disolyte.workers.roles import Role
from disolyte.workers.routing import assign_workers, role_of

sys.path.insert(0, str(Path(__file__).parent))
miniature = importlib.import_module("miniature")

pytestmark = pytest.mark.slow
DYNAMIC = {"sample with MACE MD": 2, "join samples": 1, "CHGNet r2SCAN static": 3, "merge labels": 1}
"""Jobs that other jobs make; beyond those, jobs take the place of the one that planned them."""


@pytest.fixture(scope="module")
def flow():
    pytest.importorskip("mace")
    pytest.importorskip("chgnet")
    return miniature.miniature_flow()


@pytest.fixture(scope="module")
def campaign(flow, tmp_path_factory):
    """The campaign, run to its end by one worker of each role; its database is up while tests ask."""
    pytest.importorskip("secantus")
    with open_campaign(tmp_path_factory.mktemp("whole") / "run", name="whole") as campaign:
        campaign.submit(assign_workers(flow, campaign.files.categories()))
        names = campaign.start_workers(["cpu", "gpu"], threads=1)
        for _ in campaign.watch():
            pass
        campaign.stop_workers(names)
        assert [failure.traceback for failure in campaign.failures()] == []
        yield campaign


@pytest.fixture(scope="module")
def results(campaign):
    return Results(campaign.job_store(), campaign.name)


def kind_of(name):
    """Name of a job without its composition and number."""
    return next((kind for kind in DYNAMIC if name.startswith(kind)), name)


def test_every_job_that_ever_ran_did_so_in_the_category_of_its_role(campaign, flow):
    launchpad = campaign.launchpad()
    workers = {launch["fw_id"]: launch["fworker"]["name"] for launch in launchpad.launches.find()}
    names = Counter()
    for entry in launchpad.fireworks.find():
        job = MontyDecoder().process_decoded(entry["spec"]["_tasks"][0]["job"])
        role = role_of(job.maker)
        names[kind_of(entry["name"])] += 1
        assert entry["state"] == "COMPLETED", entry["name"]
        assert entry["spec"]["_category"] == role, entry["name"]
        assert workers[entry["fw_id"]].endswith(f"-{role}"), entry["name"]
    n_static = len(list(flow.iterflow()))
    assert {kind: names[kind] for kind in DYNAMIC} == DYNAMIC
    assert sum(names.values()) == n_static + sum(DYNAMIC.values())

    planned = Counter()
    for jobs in plan_flow(flow).jobs:
        planned[jobs.role] += jobs.n_jobs
    found = Counter(Role(job.category) for job in campaign.jobs())
    assert found == planned, "the plan foresaw them all"


def test_every_number_traces_back_to_the_first_jobs(results):
    (transport,) = results.transport()
    tree = trace_document(results, transport.uuid)
    nodes = list(tree.walk())
    assert {node.kind for node in nodes} == {
        "TransportDoc", "DiffusionMDDoc", "PhaseDiagramDoc", "ModelDoc", "DatasetDoc", "LabelDoc", "SampleDoc",
        "SelectionDoc", "RankedEnergiesDoc", "EnumerationDoc",
    }  # fmt: skip
    ends = {node.kind for node in nodes if not node.inputs and not node.is_repeated}
    assert ends == {"EnumerationDoc"}, "nothing stops short of the beginning"
    random_kinds = ("EnumerationDoc", "SelectionDoc", "SampleDoc", "DatasetDoc", "ModelDoc", "DiffusionMDDoc")
    for node in nodes:
        assert node.job, node.kind
        assert node.recorded_sha256 or node is tree, node.kind
        assert node.is_repeated or node.kind not in random_kinds or node.seed is not None, node.kind
    assert {node.names["composition"] for node in nodes if node.kind == "EnumerationDoc"} == set(miniature.FORMULAS)
    hashes = {label: value for node in nodes for label, value in node.hashes.items() if node.kind == "ModelDoc"}
    assert hashes["model"] == results.model().sha256
    assert hashes["dataset"] == results.dataset().dataset_sha256
    assert set(hashes) == {"model", "dataset", "foundation"}


def test_recorded_hashes_are_those_of_the_documents(results):
    """A document that was changed in the store since is told from the one that was used."""
    (transport,) = results.transport()
    diffusion = next(iter(trace_document(results, transport.uuid).inputs))
    by_kind = {node.kind: node for node in diffusion.inputs}
    assert by_kind["PhaseDiagramDoc"].recorded_sha256 == results.phase_diagram(load=True).content_sha256()
    assert by_kind["ModelDoc"].recorded_sha256 == results.model(load=True).content_sha256()


def test_page_of_the_whole(results):
    figures = list(draw_figures(results))
    names = {figure.name for figure in figures}
    assert {"stability", "arrhenius", "parity", "training", "msd-Li3InCl6"} <= names
    page = render_report(results, figures)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert results.transport()[0].uuid in page
