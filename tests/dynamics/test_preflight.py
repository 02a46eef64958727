"""What is refused before the first step."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pydantic import ValidationError
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte.dynamics import Engine, MDProtocol, Reason, run_md
from disolyte.errors import DynamicsError, InputError, ModelCoverageError, RunFolderError, StructureError
from disolyte.models import ModelSource, load_model
from disolyte.models.loaded import LoadedModel

PROTOCOL = MDProtocol(temperature_k=300.0, n_steps=4, record_every=2)


@pytest.fixture
def salt():
    return bulk("LiCl", "rocksalt", a=5.15, cubic=True)


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"temperature_k": -300.0}, "greater than 0"),
        ({"temperature_k": float("nan")}, "greater than 0|finite"),
        ({"temperature_k": float("inf")}, "finite"),
        ({"time_step_fs": 50.0}, "less than or equal to 10"),
        ({"time_step_fs": 0.0}, "greater than 0"),
        ({"n_steps": 0}, "greater than 0"),
        ({"record_every": 0}, "greater than 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"thermostat": "andersen"}, "berendsen"),
        ({"thermostat_time_fs": 0.5}, "shorter than time_step_fs"),
        ({"timestep_fs": 2.0}, "timestep_fs\n.*not permitted"),
    ],
)
def test_protocols(changes, limit):
    with pytest.raises(ValidationError, match=limit):
        MDProtocol(**({"temperature_k": 300.0, "n_steps": 10} | changes))


def test_arguments(salt, tmp_path):
    with pytest.raises(InputError, match="no systems to run"):
        run_md([], [], EMT(), tmp_path)
    with pytest.raises(InputError, match="chunk_frames=0"):
        run_md([salt], [PROTOCOL], EMT(), tmp_path, chunk_frames=0)
    with pytest.raises(InputError, match="no engine 'lammps': choose one of auto, ase, torch-sim"):
        run_md([salt], [PROTOCOL], EMT(), tmp_path, engine="lammps")
    with pytest.raises(InputError, match="system 1 is of type Structure"):
        run_md([salt, AseAtomsAdaptor.get_structure(salt)], [PROTOCOL] * 2, EMT(), tmp_path)
    assert not list(tmp_path.iterdir())
    copper = bulk("Cu", cubic=True)
    assert run_md([copper], [PROTOCOL], EMT(), tmp_path, engine="ase")[0].engine is Engine.ASE


@pytest.mark.parametrize("third_vector", [[0, 0, 0], [5, 0, 5], [10, 10, 0]])
def test_periodic_cell_must_have_a_volume(tmp_path, third_vector):
    """A zero vector will do in a free direction, vectors in a plane never."""
    copper = Atoms("Cu4", [[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [2.5, 2.5, 1]], cell=[[5, 0, 0], [0, 5, 0], [5, 0, 5]])
    copper.pbc = [True, True, third_vector[2] > 0]
    copper.cell[2] = third_vector
    if third_vector[0] == 10:
        with pytest.raises(StructureError, match="has no volume"):
            run_md([copper], [PROTOCOL], EMT(), tmp_path)
        return
    assert run_md([copper], [PROTOCOL], EMT(), tmp_path)[0].verdict.completed
    copper.pbc, copper.cell[2] = True, [0, 0, 0]
    with pytest.raises(StructureError, match="has no volume"):
        run_md([copper], [PROTOCOL], EMT(), tmp_path)


@pytest.mark.parametrize("engine", [Engine.ASE, Engine.TORCH_SIM])
def test_structures(salt, tmp_path, engine):
    if engine is Engine.TORCH_SIM:
        pytest.importorskip("torch_sim")
    model = load_model(ModelSource(name="disolyte-small"))
    foreign, broken = salt.copy(), salt.copy()
    foreign.numbers[0] = 11
    broken.positions[1, 0] = np.nan
    with pytest.raises(ModelCoverageError, match="Na"):
        run_md([salt, foreign], [PROTOCOL] * 2, model, tmp_path / "foreign", engine=engine)
    with pytest.raises(StructureError, match="system 1 .* not finite"):
        run_md([salt, broken], [PROTOCOL] * 2, model, tmp_path / "broken", engine=engine)
    assert not list(tmp_path.iterdir()), "nothing is left that a corrected run would stumble over"
    overlapping = salt.copy()
    overlapping.positions[1] = overlapping.positions[0] + [0.01, 0, 0]
    first, second = run_md([overlapping, salt], [PROTOCOL] * 2, model, tmp_path / "overlap", engine=engine)
    assert first.verdict.reason is Reason.TOO_CLOSE
    assert second.verdict.completed


class Imprecise(torch.nn.Module):
    """Springs to the origin, with the digits lost that a far-away origin costs in float32."""

    def __init__(self):
        super().__init__()
        self.register_buffer("atomic_numbers", torch.tensor([3, 17]))
        self.register_buffer("r_max", torch.tensor(4.0))
        self.stiffness = torch.nn.Parameter(torch.ones(1))

    def forward(self, graph, **_):
        positions = graph["positions"]
        forces = -self.stiffness * ((positions + 1e6) - 1e6)
        energy = torch.zeros(len(graph["ptr"]) - 1, dtype=positions.dtype)
        return {"energy": energy, "forces": forces}


def test_forces_in_float32_must_be_those_in_float64(salt, tmp_path):
    salt.rattle(0.1, seed=1)
    model = LoadedModel(Imprecise(), name="imprecise", sha256="0" * 64, dtype="float32")
    with pytest.raises(DynamicsError, match=r"in float32 differ .* use dtype='float64'"):
        run_md([salt], [PROTOCOL], model, tmp_path / "single")
    exact = LoadedModel(Imprecise(), name="imprecise", sha256="0" * 64, dtype="float64")
    assert run_md([salt], [PROTOCOL], exact, tmp_path / "double")[0].n_frames > 0


def test_folder_that_is_a_file(salt, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="give a writable one"):
        run_md([salt], [PROTOCOL], EMT(), tmp_path / "file")
