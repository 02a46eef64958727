"""What all figures share."""

from disolyte.plots.style import new_figure


def test_figures_show_themselves_in_notebooks():
    assert new_figure()._repr_png_().startswith(b"\x89PNG")
