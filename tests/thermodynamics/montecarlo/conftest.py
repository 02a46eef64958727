"""Fixtures of the Monte Carlo tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_cases


@pytest.fixture(scope="session")
def salt_sites():
    """Eight cation sites of disordered rock salt: 70 states."""
    from small_cases import rock_salt

    from disolyte.thermodynamics.montecarlo import build_sites

    return build_sites(rock_salt(), (2, 2, 2))
