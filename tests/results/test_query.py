"""Queries of a store that holds more than one campaign and replaced jobs."""

import sys

import pytest
from monty.json import jsanitize

from disolyte.errors import ResultsError
from disolyte.provenance import StageDoc
from disolyte.records import foreign_module
from disolyte.results import Results, summarise
from disolyte.results.report import draw_figures, render_report


class NoteDoc(StageDoc):
    """A document of the tests."""

    text: str


def put(store, uuid, index, text, campaign, completed_at="2026-01-01T00:00:00"):
    document = {
        "uuid": uuid,
        "index": index,
        "output": jsanitize(NoteDoc(uuid=uuid, text=text), strict=True),
        "metadata": {"campaign": campaign},
        "completed_at": completed_at,
    }
    store.docs_store.update([document], key=["uuid", "index"])


def test_last_index_of_each_job_of_the_campaign(job_store):
    put(job_store, "a", 1, "first try", "mine", "2026-01-01")
    put(job_store, "a", 2, "replaced", "mine", "2026-01-03")
    put(job_store, "b", 1, "second", "mine", "2026-01-02")
    put(job_store, "c", 1, "not mine", "other")
    assert [doc.text for doc in Results(job_store, "mine").documents(NoteDoc)] == ["second", "replaced"]
    assert Results(job_store, "mine").latest(NoteDoc).text == "replaced"
    assert len(Results(job_store).documents(NoteDoc)) == 3


def test_documents_import_no_foreign_module(job_store):
    """A store is written by others, too: reading it must not import whatever a document names."""
    put(job_store, "a", 1, "text", "mine")
    planted = {"@module": "antigravity", "@class": "Fly"}
    job_store.docs_store._collection.update_one({"uuid": "a"}, {"$set": {"output.caveats": [{"deep": planted}]}})
    with pytest.raises(ResultsError, match="names the module 'antigravity'"):
        Results(job_store, "mine").latest(NoteDoc)
    assert "antigravity" not in sys.modules


def test_references_to_blobs_that_are_not_loaded_name_no_module():
    reference = {"@module": "", "@class": "", "blob_uuid": "x", "store": "data"}
    assert foreign_module({"data": reference}) is None
    assert foreign_module({"data": {**reference, "@module": "os"}}) == "os"


def test_what_is_not_there_is_named(job_store):
    results = Results(job_store, "mine")
    with pytest.raises(ResultsError, match="campaign 'mine' holds no NoteDoc yet"):
        results.latest(NoteDoc)
    with pytest.raises(ResultsError, match="Li3InCl6 was not simulated at 800 K; there is no temperature"):
        results.diffusion("Li3InCl6", 800.0)


def test_empty_campaign_has_an_empty_summary_and_a_page(job_store):
    results = Results(job_store, "<script>alert(1)</script>")
    assert summarise(results) == []
    page = render_report(results, list(draw_figures(results)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
