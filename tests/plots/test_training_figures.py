import matplotlib as mpl
import numpy as np
import pytest

from disolyte.blobs import Blob
from disolyte.errors import InputError
from disolyte.models.schema import EpochRecord, HeadErrors, ModelDoc, ParityData, QuantityErrors, TrainingRecord
from disolyte.plots import plot_parity, plot_training


def errors(head, energy, force, stress=None):
    overall = QuantityErrors(
        n_frames=4,
        energy_rmse_ev_per_atom=energy,
        energy_mae_ev_per_atom=energy,
        force_rmse_ev_per_ang=force,
        force_mae_ev_per_ang=force,
        stress_rmse_ev_per_ang3=stress,
        stress_mae_ev_per_ang3=stress,
    )
    return HeadErrors(head=head, split="test", overall=overall)


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    parity = ParityData(
        energies_ev_per_atom=Blob.from_array(np.array([[-3.0, -3.1, -3.2, -3.3], [-3.0, -3.1, -3.2, -3.4]])),
        forces_ev_per_ang=Blob.from_array(rng.normal(size=(2, 8, 3)).astype(np.float32)),
        stresses_ev_per_ang3=Blob.from_array(rng.normal(scale=0.01, size=(2, 4, 3, 3))),
        numbers=Blob.from_array(np.array([3, 17] * 4)),
    )
    epochs = [
        EpochRecord(
            epoch=epoch,
            loss={"target": 1.0, "pt_head": 2.0},
            energy_rmse_ev_per_atom={"target": 0.01 / (epoch + 2), "pt_head": 0.02},
            force_rmse_ev_per_ang={"target": 0.1 / (epoch + 2), "pt_head": 0.2},
            stress_rmse_ev_per_ang3={"target": 0.001 / (epoch + 2), "pt_head": 0.002},
        )
        for epoch in range(-1, 3)
    ]
    # The weights play no part in a figure.
    return ModelDoc.model_construct(
        name="tuned",
        head="target",
        heads=["target", "pt_head"],
        parity=parity,
        errors=[errors("pt_head", 0.9, 0.9), errors("target", 0.00123, 0.0456, 0.0007)],
        foundation_errors=[errors("default", 0.0345, 0.321, 0.005)],
        label_method="CHGNet r2SCAN",
        caveats=["labels from a surrogate"],
        training=TrainingRecord(
            asked={}, effective={}, epochs=epochs, best_epoch=1, stopped_early=True, wall_time_s=1.0
        ),
    )


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def test_parity(model):
    figure = plot_parity(model)
    found = texts(figure)
    units = ["energy (eV/atom)", "force component (eV/Å)", "stress component (meV/Å³)"]
    assert [axes.get_xlabel() for axes in figure.axes] == [f"Label: {unit}" for unit in units]
    assert "RMSE (meV/atom)\nfoundation: 34.5\nthis model: 1.23" in found
    assert "RMSE (meV/Å)\nfoundation: 321\nthis model: 45.6" in found
    assert "RMSE (meV/Å³)\nfoundation: 5.00\nthis model: 0.70" in found
    assert any("labels from a surrogate" in text for text in found)
    assert {"Li", "Cl"} <= set(found)
    for axes in figure.axes:
        assert axes.get_xlim() == axes.get_ylim()


def test_parity_shows_every_number(model):
    energies, forces, stresses = plot_parity(model).axes
    drawn = np.asarray(energies.collections[0].get_offsets())
    assert drawn == pytest.approx(model.parity.energies_ev_per_atom.to_array().T)
    assert sum(len(cloud.get_offsets()) for cloud in forces.collections) == 24
    assert sum(len(cloud.get_offsets()) for cloud in stresses.collections) == 24


def test_training(model):
    figure = plot_training(model)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Energy RMSE (meV/atom)", "Force RMSE (meV/Å)", "Stress RMSE (meV/Å$^3$)",
    ]  # fmt: skip
    target = next(line for line in figure.axes[0].get_lines() if line.get_label() == "head target")
    assert target.get_ydata() == pytest.approx([5.0, 10 / 3, 2.5])
    assert list(target.get_xdata()) == [1, 2, 3], "as in the log"
    assert figure.axes[2].get_lines()[0].get_ydata() == pytest.approx([0.5, 1 / 3, 0.25])
    for epoch in model.training.epochs:
        epoch.stress_rmse_ev_per_ang3.clear()
    assert len(plot_training(model).axes) == 2


def test_models_without_records():
    bare = ModelDoc.model_construct(name="bare", parity=None, training=None)
    with pytest.raises(InputError, match="'bare' holds no parity data"):
        plot_parity(bare)
    with pytest.raises(InputError, match="'bare' holds no training record"):
        plot_training(bare)
