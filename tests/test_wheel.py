"""The wheel: what it holds, and that it works away from the source tree."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "disolyte"
LARGEST_BYTES = 5 * 1024**2


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of what it is made of: a build in place would leave files, and take up old ones."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(PACKAGE, copy / "src" / "disolyte", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, copy]
    subprocess.run(command, check=True, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel]
    subprocess.run(command, check=True, cwd=folder)
    return folder


def run(installed, code, folder):
    """Run Python with the installed wheel before all else."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_holds_the_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    outside = {name for name in names if not name.startswith(("disolyte/", "disolyte-"))}
    assert not outside
    mine = {PurePosixPath(name).relative_to("disolyte").as_posix() for name in names if name.startswith("disolyte/")}
    ours = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert mine == {name for name in ours if "__pycache__" not in name}


def test_is_small_and_licensed(wheel):
    assert wheel.stat().st_size < LARGEST_BYTES
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    assert "License-Expression: MIT" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_models_and_systems_come_with_it(installed, tmp_path):
    code = """
import json
import disolyte
from disolyte.models import ModelSource, load_model
from disolyte.systems import available_systems, get_system
models = [load_model(ModelSource(name=name)) for name in ("disolyte-small", "disolyte-broad")]
points = {key: len(get_system(key).points()) for key in available_systems()}
print(json.dumps([disolyte.__file__, [len(model.elements) for model in models], points]))
"""
    place, elements, points = json.loads(run(installed, code, tmp_path).splitlines()[-1])  # mace prints, too
    assert place.startswith(str(installed))
    assert elements[0] < elements[1]
    assert points["liybc"] == 11


@pytest.mark.parametrize("words", [["quickstart", "--help"], ["systems", "show", "liybc"], ["results", "--help"]])
def test_commands_run(installed, tmp_path, words):
    code = f"import sys; sys.argv = ['disolyte', *{words!r}]; from disolyte.cli import app; app()"
    assert run(installed, code, tmp_path).strip()
