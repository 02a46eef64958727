import matplotlib as mpl
import numpy as np
import pytest

from disolyte.blobs import Blob
from disolyte.finetuning.committee import CommitteeDoc, Scatter, calibrate
from disolyte.finetuning.committee.schema import CommitteeMember, FrameScatter
from disolyte.models.schema import HeadErrors, QuantityErrors
from disolyte.plots import plot_committee


@pytest.fixture(scope="module")
def doc():
    """Four members whose mean errs three times as much as they scatter."""
    rng = np.random.default_rng(0)
    scatters = []
    for sigma in (np.exp(rng.normal(-5.0, 0.6, 200)), np.exp(rng.normal(-3.0, 0.6, 200))):
        spreads = sigma * np.sqrt(rng.chisquare(3, 200) / 3)
        scatters.append(Scatter(spreads, rng.normal(0.0, 3.0 * sigma)))
    energies, forces = (
        calibrate(scatter, scatter, name=name, unit=unit, degrees_of_freedom=3, frames=scatter)
        for scatter, name, unit in zip(scatters, ("energies", "forces"), ("eV/atom", "eV/Å"), strict=True)
    )
    errors = QuantityErrors(
        n_frames=200, energy_rmse_ev_per_atom=0.01, energy_mae_ev_per_atom=0.01, force_rmse_ev_per_ang=0.1,
        force_mae_ev_per_ang=0.1, stress_rmse_ev_per_ang3=None, stress_mae_ev_per_ang3=None,
    )  # fmt: skip
    return CommitteeDoc(
        members=[CommitteeMember(name="m", sha256=str(i), uuid=str(i), seed=i, errors=errors) for i in range(4)],
        elements=["Li", "Cl"],
        dataset_sha256="0" * 64,
        label_method="VASP SCAN",
        is_surrogate=True,
        errors=HeadErrors(head="target", split="test", overall=errors),
        energies=energies,
        forces=forces,
        frames=FrameScatter(
            energy_spreads_ev_per_atom=Blob.from_array(scatters[0].spreads),
            energy_errors_ev_per_atom=Blob.from_array(scatters[0].errors),
            force_spreads_ev_per_ang=Blob.from_array(scatters[1].spreads),
            force_errors_ev_per_ang=Blob.from_array(np.abs(scatters[1].errors)),
        ),
        caveats=["labels from a surrogate"],
    )


def test_each_frame_is_a_point_in_milli_units(doc):
    before = mpl.rcParams["font.size"]
    figure = plot_committee(doc)
    assert mpl.rcParams["font.size"] == before
    forces, energies, _ = figure.axes
    for axes, calibration, spreads, errors, unit in (
        (forces, doc.forces, doc.frames.force_spreads_ev_per_ang, doc.frames.force_errors_ev_per_ang, "meV/Å"),
        (
            energies, doc.energies, doc.frames.energy_spreads_ev_per_atom, doc.frames.energy_errors_ev_per_atom,
            "meV/atom",
        ),
    ):  # fmt: skip
        points = np.asarray(axes.collections[0].get_offsets())
        np.testing.assert_allclose(points[:, 0], 1e3 * calibration.scale * spreads.to_array())
        true = 1e3 * np.abs(errors.to_array())
        low, high = axes.get_ylim()
        np.testing.assert_allclose(points[:, 1], np.where(true >= low, true, np.nan), atol=1e-6)
        below = np.asarray(axes.collections[1].get_offsets())
        assert len(below) == (true < low).sum(), "no point is cut by the edge"
        assert all(low < height < high for height in below[:, 1])
        assert "10^" not in " ".join(label.get_text() for label in axes.get_xticklabels())
        assert f"({unit})" in axes.get_xlabel()
        assert axes.get_xlim() == axes.get_ylim()
        assert np.nanmin(points[:, 0]) >= axes.get_xlim()[0]
        assert f"scale {calibration.scale:.2f}" in axes.get_title()


def test_coverage_shows_with_and_without_the_scale(doc):
    coverage = plot_committee(doc).axes[2]
    labels = [text.get_text() for text in coverage.get_legend().get_texts()]
    assert labels == ["forces", "energies", "without the scale"]
    with_scale, without = coverage.lines[1].get_ydata(), coverage.lines[2].get_ydata()
    np.testing.assert_allclose(with_scale, [point.observed for point in doc.forces.coverage])
    assert (np.asarray(without) < np.asarray(with_scale)).all()


def test_caveats_are_below_the_figure(doc):
    assert "surrogate" in plot_committee(doc).get_supxlabel()
    assert "4 models" in plot_committee(doc).get_suptitle()
