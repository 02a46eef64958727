"""Rules that hold for the package as a whole."""

import subprocess
import sys
import time

import pytest

import disolyte

HEAVY = ("torch", "mace", "chgnet", "gpaw", "gemdat", "torch_sim", "e3nn")


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_is_fast_and_light():
    start = time.monotonic()
    loaded = run_python("import disolyte, sys; print(len(sys.modules), 'numpy' in sys.modules)")
    assert time.monotonic() - start < 1.0
    assert loaded.endswith("False")


def test_makers_can_be_imported_without_heavy_libraries():
    code = f"import disolyte.flows, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python(code) == "[]"


@pytest.mark.parametrize("name", disolyte.__all__)
def test_public_names_are_there_and_documented(name):
    thing = getattr(disolyte, name)
    assert thing.__doc__, name


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = disolyte.Nothing
