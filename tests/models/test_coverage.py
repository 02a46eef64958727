"""Coverage told without loading a model."""

import shutil
from importlib import resources
from pathlib import Path

import pytest

from disolyte.errors import ModelCoverageError, ModelIntegrityError, ModelNotFoundError
from disolyte.models import SHIPPED, ModelSource
from disolyte.models.coverage import check_coverage


@pytest.fixture
def copied_model(tmp_path):
    data = Path(str(resources.files("disolyte.models") / "data"))
    for suffix in (".npz", ".json"):
        shutil.copy(data / f"{SHIPPED}{suffix}", tmp_path / f"mine{suffix}")
    return tmp_path / "mine.npz"


def test_known_and_unknown_elements():
    check_coverage(ModelSource(name=SHIPPED), ["Li", "In", "Y", "Br", "Cl"])
    with pytest.raises(ModelCoverageError, match="not made for O, Zr; it knows Li, .*medium"):
        check_coverage(ModelSource(name=SHIPPED), ["Li", "Zr", "O"])


def test_pickles_are_left_to_their_jobs(tmp_path):
    """A pickle is not even looked for: the machine that submits need not have it."""
    check_coverage(ModelSource(path=str(tmp_path / "elsewhere.model")), ["Zr"])
    with pytest.raises(ModelNotFoundError):
        check_coverage(ModelSource(path=str(tmp_path / "elsewhere.npz")), ["Zr"])


def test_corrupt_file(copied_model):
    check_coverage(ModelSource(path=str(copied_model)), ["Li"])
    content = copied_model.with_suffix(".json").read_text()
    copied_model.with_suffix(".json").write_text(content.replace('"r_max": 5.0', '"r_max": 6.0'))
    with pytest.raises(ModelIntegrityError, match="corrupt"):
        check_coverage(ModelSource(path=str(copied_model)), ["Li"])
    copied_model.unlink()
    with pytest.raises(ModelNotFoundError):
        check_coverage(ModelSource(path=str(copied_model)), ["Li"])


def test_flow_is_refused_before_any_job_exists():
    from disolyte.flows.quickstart import quickstart_flow_maker, quickstart_system

    system = quickstart_system().model_copy(update={"oxidation_states": {"Li": 1, "In": 3, "Y": 3, "Br": -1, "Cl": -1}})
    quickstart_flow_maker().make(system)
    maker = quickstart_flow_maker()
    maker.training_set_maker.ranking_maker.foundation = ModelSource(path="/nowhere/model.npz")
    with pytest.raises(ModelNotFoundError):
        maker.make(system)
