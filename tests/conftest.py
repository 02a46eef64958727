"""Fixtures for all tests."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture
def clean_dir(tmp_path, monkeypatch):
    """Run the test in a fresh folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def job_store():
    """A job store in memory, with the additional store ``data``."""
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    return store
