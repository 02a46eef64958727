"""Figures of a report: what cannot be drawn costs nothing else."""

from types import SimpleNamespace

import pytest

from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.schema import ConductivityRow, ConductivitySource
from disolyte.plots.style import new_figure, note_caveats, pretty_formula, set_title
from disolyte.results import figures
from disolyte.results.figures import Sketch, draw_figures
from disolyte.results.maps import caption_map
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

HOSTILE = r"costs $1 to \frac{2$"


def write_with_matplotlib(text):
    figure = new_figure()
    figure.text(0, 0, text)
    return figure


def test_figure_that_cannot_be_drawn_is_listed_with_the_reason(monkeypatch):
    def sketches(_results):
        yield Sketch("bad", "Bad", "All.", lambda: write_with_matplotlib(HOSTILE))
        yield Sketch("none", "None", "Nothing.", lambda: None)
        yield Sketch("good", "Good", "Some.", new_figure)

    monkeypatch.setattr(figures, "_sketch_findings", sketches)
    for others in ("_sketch_models", "_sketch_motion"):
        monkeypatch.setattr(figures, others, lambda _results: iter(()))
    bad, good = draw_figures(None)
    assert bad.caption.startswith("Not drawn (ValueError: ")
    assert good.caption == "Some."
    assert bad.png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "write",
    [
        lambda figure: note_caveats(figure, [HOSTILE]),
        lambda figure: set_title(figure, HOSTILE),
        lambda figure: figure.suptitle(pretty_formula(HOSTILE + "Li3")),
    ],
)
def test_dollars_from_documents_are_no_mathematics(write):
    figure = new_figure()
    write(figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_hull_of_the_selection_stands_in_until_there_is_a_phase_diagram(monkeypatch):
    monkeypatch.setattr(figures, "plot_hull", lambda doc: doc.drawn)
    documents = {}
    results = SimpleNamespace(documents=lambda kind: documents.get(kind, []), transport=list)

    def drawn():
        sketches = {sketch.name: sketch for sketch in figures._sketch_findings(results)}
        return sketches["stability"].draw(), sketches["stability"].caption

    def document(drawn, n_end_members=3):
        return SimpleNamespace(hull=SimpleNamespace(end_members=["a"] * n_end_members), drawn=drawn)

    documents[SelectionDoc] = [document("selected")]
    figure, caption = drawn()
    assert figure == "selected"
    assert "with the foundation" in caption
    documents[PhaseDiagramDoc] = [document("diagram")]
    assert drawn()[0] == "diagram"
    documents[PhaseDiagramDoc] = [document("point", n_end_members=1)]
    assert drawn()[0] is None, "a single composition has no hull"


def test_caption_of_the_map_says_what_its_numbers_are():
    def transport(verdict, source):
        row = ConductivityRow(
            temperature_k=800.0,
            conductivity_s_per_cm=1.0,
            conductivity_ci95_s_per_cm=(0.5, 2.0),
            source=source,
            verdict=verdict,
            reach=0.0,
        )
        return SimpleNamespace(formula="Li3InCl6", reference_conductivity=row)

    plain = caption_map([transport(Verdict.CONVERGED, ConductivitySource.SIMULATED)])
    assert "unreliable" not in plain
    assert "read off" not in plain
    poor = caption_map([transport(Verdict.UNRELIABLE, ConductivitySource.EXTRAPOLATED)])
    assert "Hatched ones are unreliable" in poor
    assert "read off the Arrhenius line: Li3InCl6." in poor
    assert "read off" not in caption_map([transport(Verdict.UPPER_LIMIT, ConductivitySource.EXTRAPOLATED)])
