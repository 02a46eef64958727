import matplotlib as mpl
import numpy as np
import pytest

from disolyte.errors import InputError
from disolyte.finetuning.learning_curve.convergence import gather_levels, judge_convergence, measure_gains
from disolyte.finetuning.learning_curve.schema import ConvergenceRule, LearningCurveDoc, LearningPoint
from disolyte.models.schema import ModelIdentity, QuantityErrors
from disolyte.plots import plot_learning_curve

MODEL = ModelIdentity(name="medium", sha256="0" * 64)


def curve(sizes, n_seeds, *, exponent=0.35, floor=0.0):
    rng = np.random.default_rng(3)
    points = []
    for n in sizes:
        for seed in range(n_seeds):
            scale = (floor + (n / 100) ** -exponent) * rng.normal(1.0, 0.015)
            errors = QuantityErrors(
                n_frames=250,
                energy_rmse_ev_per_atom=0.003 * scale,
                energy_mae_ev_per_atom=0.002 * scale,
                force_rmse_ev_per_ang=0.05 * scale,
                force_mae_ev_per_ang=0.04 * scale,
                stress_rmse_ev_per_ang3=0.001 * scale,
                stress_mae_ev_per_ang3=0.001 * scale,
            )
            points.append(
                LearningPoint(
                    n_train=n, seed=seed, model=MODEL, model_uuid="u", errors=errors, n_epochs=9, wall_time_s=1.0
                )
            )
    levels = gather_levels(points)
    gains = measure_gains(levels)
    return LearningCurveDoc(
        points=points,
        levels=levels,
        gains=gains,
        convergence=judge_convergence(levels, gains, ConvergenceRule()),
        foundation=MODEL,
        n_test=250,
        dataset_sha256="1" * 64,
        label_method="VASP SCAN",
        is_surrogate=True,
        caveats=["labels from a surrogate"],
    )


def texts(figure):
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text())


def test_shows_units_sizes_and_verdict():
    figure = plot_learning_curve(curve((100, 200, 400, 800, 1600), 3))
    shown = texts(figure)
    assert len(figure.axes) == 3
    for part in ("meV/atom", "meV/Å", "meV/Å$^3$", "Training frames", "not converged", "surrogate", "1600"):
        assert part in shown
    energies = figure.axes[0].containers[0].lines[0].get_ydata()
    assert energies == pytest.approx(
        [1e3 * level.energy_rmse_ev_per_atom.mean for level in curve((100, 200, 400, 800, 1600), 3).levels]
    )


def test_marks_the_converged_size():
    doc = curve((100, 200, 400, 800, 1600), 3, exponent=2.0, floor=1.0)
    assert doc.convergence.n_train == 400
    figure = plot_learning_curve(doc)
    assert f"converged at {doc.convergence.n_train}" in texts(figure)


def test_one_seed_has_no_bars():
    figure = plot_learning_curve(curve((100, 300), 1))
    assert figure.axes[0].containers[0].has_yerr is False


def test_empty_curve_is_refused():
    with pytest.raises(InputError, match="no trainings"):
        plot_learning_curve(curve((100, 200), 1).model_copy(update={"levels": []}))
