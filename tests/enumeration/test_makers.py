"""The job, its document, and what comes back from the store."""

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.core import Structure

from disolyte.enumeration import EnumerationDoc, OrderingSpace
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import InputError
from disolyte.systems import disordered_structure, get_system


@pytest.fixture(scope="module")
def point():
    return get_system("liybc").point("Li3In0.5Y0.5Br3Cl3")


@pytest.fixture(scope="module")
def disordered(point):
    return disordered_structure(get_system("liybc"), point)


def run(maker, job_store, *args, **kwargs):
    job = maker.make(*args, **kwargs)
    run_locally(job, store=job_store, ensure_success=True)
    return job, EnumerationDoc.model_validate(job_store.get_output(job.uuid, load=True))


def test_document_of_the_paper_s_three_cells(clean_dir, job_store, disordered, point):
    maker = EnumerationMaker(n_lowest=60, n_diverse=10, seed=4)
    job, doc = run(
        maker, job_store, disordered, point, supercells=[(1, 1, 1), (1, 1, 2), (1, 2, 2)], system_key="liybc"
    )
    assert doc.uuid == job.uuid
    assert doc.exhaustive
    assert doc.energy == "ewald"
    assert doc.oxidation_states == {"Li+": 1, "In3+": 3, "Y3+": 3, "Br-": -1, "Cl-": -1}
    assert doc.oxidation_states_source == "structure"
    assert doc.n_distinct[0] == 6672
    assert doc.n_raw[2] == OrderingSpace.from_structure(disordered, (1, 2, 2)).n_raw > 2**63
    assert [cell.n_formula_units for cell in doc.cells] == [2, 4, 8]
    seen = set()
    for cell in doc.cells:
        rows = cell.occupations.to_array()
        assert rows.dtype == np.int8
        assert len(rows) == cell.n_orderings == len(cell.degeneracies) == 70 - cell.n_duplicates_removed
        assert cell.n_lowest <= 60
        lowest = cell.energies_ev[: cell.n_lowest]
        assert lowest == sorted(lowest)
        keys = set(OrderingSpace.from_structure(disordered, cell.supercell).crystal_keys(rows))
        assert not keys & seen
        seen |= keys
        structure = cell.structure(0)
        assert structure.composition.reduced_formula == doc.cells[0].structure(3).composition.reduced_formula
        assert all(type(site.specie).__name__ == "Element" for site in structure)
        space = OrderingSpace.from_structure(disordered, cell.supercell)
        np.testing.assert_allclose(space.energies_ev(rows), cell.energies_ev, atol=1e-6)


def test_arrays_go_to_the_data_store_and_big_counts_are_strings(clean_dir, job_store, disordered, point):
    job = EnumerationMaker(n_lowest=5, n_diverse=0).make(disordered, point, supercells=[(1, 2, 2)])
    run_locally(job, store=job_store, ensure_success=True)
    raw = job_store.get_output(job.uuid, load=False)["cells"][0]
    assert isinstance(raw["n_raw"], str)
    assert "blob_uuid" in raw["occupations"]["payload"]


def test_one_cell_and_no_point(clean_dir, job_store):
    parent = Structure.from_spacegroup(
        "Fm-3m", disordered_lattice(), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    _, doc = run(EnumerationMaker(), job_store, parent, supercells=[(1, 2, 2)])
    (cell,) = doc.cells
    assert cell.n_orderings == cell.n_distinct == 153
    assert sum(cell.degeneracies) == cell.n_raw
    assert doc.point.formula == "KNaCl2"
    assert cell.n_formula_units == 8
    assert any("guessed" in caveat for caveat in doc.caveats)


def disordered_lattice():
    from pymatgen.core import Lattice

    return Lattice.cubic(6.4)


def test_rounding_is_a_caveat(clean_dir, job_store):
    parent = Structure.from_spacegroup(
        "Fm-3m", disordered_lattice(), [{"Na": 0.3, "K": 0.7}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    _, doc = run(EnumerationMaker(rounding="nearest"), job_store, parent)
    assert any("0.3 → 0.25" in change for change in doc.occupancy_changes)
    assert any("0.3 → 0.25" in caveat for caveat in doc.caveats)


def test_no_such_ordering(clean_dir, job_store):
    parent = Structure.from_spacegroup(
        "Fm-3m", disordered_lattice(), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    _, doc = run(EnumerationMaker(), job_store, parent)
    with pytest.raises(InputError, match="no ordering 1"):
        doc.cells[0].structure(1)
