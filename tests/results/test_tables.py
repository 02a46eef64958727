"""Tables, traces and quarantine from documents in a store."""

import json

import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from monty.json import jsanitize

from disolyte.errors import ResultsError
from disolyte.provenance import InputRecord, Provenance, StageDoc
from disolyte.results import Results
from disolyte.results.figures import ReportFigure, narrow_png
from disolyte.results.quarantine import count_quarantined, quarantined_pieces
from disolyte.results.tables import make_table
from disolyte.results.tracing import trace_document


class NoteDoc(StageDoc):
    """A document of the tests."""

    dataset_sha256: str | None = None


UUIDS = {name: f"{name * 8}-0000-4000-8000-000000000000" for name in "abc"}


def put(store, document, name="job", campaign="mine"):
    entry = {
        "uuid": document["uuid"],
        "index": 1,
        "name": name,
        "output": document,
        "metadata": {"campaign": campaign},
        "completed_at": "2026-01-01T00:00:00",
    }
    store.docs_store.update([entry], key=["uuid", "index"])


def note(name, inputs=(), seed=None, **fields):
    records = [InputRecord(kind="NoteDoc", uuid=UUIDS[item], sha256=item * 64) for item in inputs]
    doc = NoteDoc(uuid=UUIDS[name], provenance=Provenance(seed=seed, inputs=records, dir_name="host:/x"), **fields)
    return jsanitize(doc, strict=True)


@pytest.fixture
def traced(job_store):
    put(job_store, note("a", seed=7, dataset_sha256="d" * 64), "first")
    put(job_store, note("b", ["a"]), "second")
    put(job_store, note("c", ["a", "b"]), "third")
    return Results(job_store, "mine")


@pytest.mark.parametrize(
    "planted",
    [
        {"provenance": "x"},
        {"provenance": {"inputs": ["x", {"uuid": 3}], "versions": 3, "seed": "s", "dir_name": 1}},
        {"caveats": [{"a": 1}]},
        {"caveats": 3},
    ],
)
def test_trace_passes_over_what_has_not_the_shape_of_a_record(job_store, planted):
    put(job_store, {**note("a"), **planted})
    assert trace_document(Results(job_store, "mine"), UUIDS["a"]).inputs == []


def test_trace_reaches_the_first_job_with_seed_and_hashes(traced):
    tree = trace_document(traced, "cccccc")
    assert (tree.job, [node.job for node in tree.inputs]) == ("third", ["first", "second"])
    first = tree.inputs[0]
    assert first.seed == 7
    assert first.hashes == {"dataset": "d" * 64}
    assert first.recorded_sha256 == "a" * 64
    assert tree.inputs[1].inputs[0].is_repeated
    assert len(list(tree.walk())) == 4
    json.loads(tree.model_dump_json())


@pytest.mark.parametrize(
    ("text", "complaint"), [("abc", "at least six"), (".*.*.*", "is no uuid"), ("ffffff", "none of the store's")]
)
def test_unfit_uuids(traced, text, complaint):
    with pytest.raises(ResultsError, match=complaint):
        trace_document(traced, text)


def test_input_that_is_gone_is_shown_as_recorded(job_store):
    put(job_store, note("b", ["a"]))
    node = trace_document(Results(job_store), UUIDS["b"]).inputs[0]
    assert (node.kind, node.job) == ("NoteDoc", None)


def rejection(step):
    return {"kind": "net force", "reason": "3 eV/Å", "family": "f", "composition": "LiCl", "md_step": step}


def test_quarantine_counts_each_piece_once(job_store):
    verdicts = [{"reason": "completed"}, {"reason": "force spike", "message": "300 > 200"}]
    runs = [{"family": f"f{i}", "composition": "LiCl", "verdict": verdict} for i, verdict in enumerate(verdicts)]
    for name in "ab":
        put(job_store, {"@class": "SampleDoc", "uuid": UUIDS[name], "runs": runs})
    put(job_store, {"@class": "LabelDoc", "uuid": "l1", "rejections": [rejection(1), rejection(2)]})
    put(job_store, {"@class": "LabelDoc", "uuid": "l2", "rejections": [rejection(2)]})
    results = Results(job_store, "mine")
    assert count_quarantined(results) == {"sampling": 1, "labelling": 2}
    assert {piece.reason for piece in quarantined_pieces(results)} == {"300 > 200", "3 eV/Å"}
    table = make_table(results, "quarantine")
    assert list(table["stage"]) == ["sampling", "labelling", "labelling"]
    with pytest.raises(ResultsError, match="has no column 'formula'"):
        make_table(results, "quarantine", formula="LiCl")
    put(job_store, {"@class": "DatasetDoc", "uuid": "d", "quarantine": [rejection(9)]})
    assert count_quarantined(results) == {"sampling": 1, "labelling": 1}, "the dataset has the last word"


def test_document_of_another_version_is_told(job_store):
    put(job_store, {**note("a"), "dataset_sha256": 3})
    with pytest.raises(ResultsError, match=r"NoteDoc aaaaaaaa.* does not fit this version"):
        Results(job_store, "mine").documents(NoteDoc)


def test_unknown_table(job_store):
    with pytest.raises(ResultsError, match="there is no table 'x'; there are: compositions"):
        make_table(Results(job_store), "x")
    assert make_table(Results(job_store), "compositions").empty


def test_names_of_figures_do_not_lead_out_of_the_folder():
    assert ReportFigure("msd-../../etc/x", "", "", Figure()).file_name == "msd-.._.._etc_x"
    assert ReportFigure("../x", "", "", Figure()).file_name == "_x"


def test_panels_are_stacked_for_a_phone_and_the_figure_stays_as_it_was():
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    figure.subplots(1, 3)
    figure.suptitle("a title that is long enough to need more than one line on the screen of a phone")
    figure.colorbar(ScalarMappable(), ax=figure.axes)
    figure.legend([Line2D([], [])], ["a label"], loc="outside lower center")
    legends = list(figure.legends)
    before = (figure.get_suptitle(), [axes.get_subplotspec().get_geometry() for axes in figure.axes[:3]])
    png = narrow_png(figure)
    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
    assert height > 2 * width
    assert figure.get_figwidth() == 9.0
    assert (figure.get_suptitle(), [axes.get_subplotspec().get_geometry() for axes in figure.axes[:3]]) == before
    assert figure.legends == legends
    single = Figure()
    single.subplots()
    assert narrow_png(single) is None
