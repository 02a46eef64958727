"""Speed and memory of the enumeration: one JSON line per case.

Run ``python tests/benchmarks/enumeration.py [case …]``. Every case runs twice in a process of its own: first with an
empty cache of compiled functions (``first_seconds``, which counts the compiling), then again (``seconds``); the cases
``liybc`` and ``measured_structures`` run once, with an empty cache. Times are
wall times from the disordered structure to the result, without Python's imports; ``peak_mb`` is the largest resident
set of the whole process, imports included.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

OBELIX = Path(__file__).parents[3] / "shared" / "data" / "obelix"
PYMATGEN_LIMIT_SECONDS = 60
NASICON_CHARGES = {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}


def rock_salt():
    """All 404,582 orderings of 16:16 on 32 sites."""
    from pymatgen.core import Lattice, Structure

    from disolyte.enumeration import OrderingSpace

    parent = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(6.39), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    started = time.perf_counter()
    space = OrderingSpace.from_structure(parent, 2)
    n = total = 0
    for batch in space.iter_orderings():
        n += len(batch.occupations)
        total += int(batch.degeneracies.sum())
    seconds = time.perf_counter() - started
    assert n == space.n_distinct
    assert total == space.n_raw
    return {"seconds": seconds, "n_distinct": n, "target_seconds": 3}


def nasicon_parent():
    from pymatgen.core import Lattice, Structure

    return Structure.from_spacegroup(
        "R-3c",
        Lattice.hexagonal(8.95, 22.9),
        ["Na", {"Na": 2 / 3}, "Zr", {"Si": 1 / 3, "P": 2 / 3}, "O", "O"],
        [[0, 0, 0], [0.64, 0, 0.25], [0, 0, 0.147], [0.295, 0, 0.25], [0.18, -0.028, 0.19], [0.19, 0.167, 0.085]],
    )


def nasicon():
    """Energies of all 9,575,829 orderings, the lowest 2000 kept."""
    from disolyte.enumeration import OrderingSpace

    parent = nasicon_parent()
    started = time.perf_counter()
    space = OrderingSpace.from_structure(parent, oxidation_states=NASICON_CHARGES)
    ranked = space.lowest_energy(2000)
    seconds = time.perf_counter() - started
    assert ranked.exhaustive
    assert len({row.tobytes() for row in ranked.occupations}) == 2000
    return {"seconds": seconds, "n_distinct": space.n_distinct, "target_seconds": 1, "target_peak_mb": 500}


def nasicon_search():
    """The same 2000 by the replica search alone, and how many of them it finds."""
    from disolyte.enumeration import OrderingSpace

    space = OrderingSpace.from_structure(nasicon_parent(), oxidation_states=NASICON_CHARGES)
    exact = space.lowest_energy(2000)
    started = time.perf_counter()
    found = space.lowest_energy(2000, exhaustive_limit=1)
    seconds = time.perf_counter() - started
    both = {row.tobytes() for row in exact.occupations} & {row.tobytes() for row in found.occupations}
    return {
        "seconds": seconds,
        "found_of_2000": len(both),
        "minimum_found": bool(abs(exact.energies_ev[0] - found.energies_ev[0]) < 1e-6),
    }


def count():
    """33,807,606,201 orderings, counted."""
    from disolyte.enumeration import OrderingSpace

    parent = nasicon_parent().get_primitive_structure()
    started = time.perf_counter()
    n_distinct = OrderingSpace.from_structure(parent, (2, 2, 1)).n_distinct
    seconds = time.perf_counter() - started
    assert n_distinct == 33_807_606_201
    return {"seconds": seconds, "n_distinct": n_distinct, "target_seconds": 1}


def liybc_cell():
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    return disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3"))


def liybc():
    """The 2000 lowest of 2.4e22, and the minimum that pymatgen's transformation finds."""
    from disolyte.enumeration import OrderingSpace

    parent = liybc_cell()
    started = time.perf_counter()
    space = OrderingSpace.from_structure(parent, (1, 2, 2))
    ranked = space.lowest_energy(2000)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    searched = space.lowest_energy(2000, exhaustive_limit=1)
    search_seconds = time.perf_counter() - started
    reference = {mode: pymatgen_apart(mode) for mode in ("default", "default, equal charges merged", "best first")}
    minima = [entry["lowest_ev"] for entry in reference.values() if "lowest_ev" in entry]
    return {
        "seconds": seconds,
        "n_raw": float(space.n_raw),
        "n_sites": space.n_sites,
        "n_distinct_found": len({row.tobytes() for row in ranked.occupations}),
        "exhaustive_over_charges": ranked.exhaustive,
        "lowest_ev": float(ranked.energies_ev[0]),
        "highest_of_2000_ev": float(ranked.energies_ev[-1]),
        "replica_search_seconds": search_seconds,
        "replica_search_lowest_ev": float(searched.energies_ev[0]),
        "pymatgen": reference,
        "at_or_below_pymatgen": bool(minima) and bool(ranked.energies_ev[0] <= min(minima) + 1e-6),
        "target_seconds": 20,
    }


def pymatgen_minimum(mode):
    """Best ordering of ``OrderDisorderedStructureTransformation`` on the same cell.

    With equal charges merged (Y for In, Cl for Br), the energies are the same and the ties that its branch and bound
    cannot prune are gone.
    """
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.transformations.standard_transformations import OrderDisorderedStructureTransformation

    supercell = liybc_cell().remove_site_property("sublattice").make_supercell((1, 2, 2), in_place=False)
    if "merged" in mode:
        supercell.replace_species({"In3+": "Y3+", "Br-": "Cl-"})
    transformation = OrderDisorderedStructureTransformation
    algorithm = transformation.ALGO_BEST_FIRST if mode == "best first" else transformation.ALGO_FAST
    started = time.perf_counter()
    best = transformation(algo=algorithm).apply_transformation(supercell)
    seconds = time.perf_counter() - started
    return {"lowest_ev": float(EwaldSummation(best).total_energy), "seconds": seconds}


def pymatgen_apart(mode):
    """The same in a process that is ended after :data:`PYMATGEN_LIMIT_SECONDS`."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--pymatgen", mode],
            capture_output=True,
            text=True,
            check=True,
            timeout=PYMATGEN_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"not_finished_after_seconds": PYMATGEN_LIMIT_SECONDS}
    return json.loads(done.stdout.strip().splitlines()[-1])


def ewald():
    """Energies of 100,000 orderings of a cell of 88 sites, against pymatgen's one by one."""
    import numpy as np
    from pymatgen.analysis.ewald import EwaldSummation

    from disolyte.enumeration import OrderingSpace

    space = OrderingSpace.from_structure(liybc_cell(), (1, 2, 2))
    rows = np.concatenate([space.sample_orderings(20_000, seed=seed).occupations for seed in range(5)])
    structures = [space.to_structure(row) for row in rows[:50]]
    started = time.perf_counter()
    energies = space.energies_ev(rows)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    reference = np.array([EwaldSummation(structure).total_energy for structure in structures])
    per_structure = (time.perf_counter() - started) / len(structures)
    return {
        "seconds": seconds,
        "n": len(rows),
        "n_sites": space.n_sites,
        "pymatgen_seconds_extrapolated": per_structure * len(rows),
        "times_faster": per_structure * len(rows) / seconds,
        "largest_difference_ev": float(np.abs(energies[:50] - reference).max()),
        "target_times_faster": 1000,
        "target_difference_ev": 1e-6,
    }


def measured_structures():
    """Every disordered CIF of OBELiX: counted or refused, per family."""
    from disolyte.enumeration import OrderingSpace
    from disolyte.errors import DisolyteError
    from disolyte.systems.structure_files import read_structure_file

    if not OBELIX.is_dir():
        return {"skipped": "the measured structures are not here"}
    with (OBELIX / "entries.csv").open() as handle:
        families = {row["ID"]: row["Family"] or "unnamed" for row in csv.DictReader(handle)}
    table = defaultdict(lambda: defaultdict(int))
    slowest = 0.0
    began = time.perf_counter()
    for file in sorted((OBELIX / "cif").glob("*.cif")):
        row = table[families.get(file.stem, "unnamed")]
        row["files"] += 1
        for rounding in ("refuse", "nearest"):
            started = time.perf_counter()
            try:
                space = OrderingSpace.from_structure(read_structure_file(file), rounding=rounding)
                assert space.n_distinct >= 1
                exact = rounding == "refuse"
                row["counted" if exact else "counted_rounded"] += 1
                if exact and space.occupancy_changes:
                    row["of_these_printed_decimals_reported"] += 1
            except DisolyteError as error:
                if rounding == "refuse":
                    row[f"refused_{type(error).__name__}"] += 1
            except Exception as error:  # a crash is a result here
                row[f"crashed_{type(error).__name__}"] += 1
            slowest = max(slowest, time.perf_counter() - started)
    outcomes = sorted({key for row in table.values() for key in row})
    return {
        "seconds": time.perf_counter() - began,
        "slowest_seconds": slowest,
        "total": {key: sum(row[key] for row in table.values()) for key in outcomes},
        "families": {name: dict(row) for name, row in sorted(table.items())},
    }


CASES = {
    entry.__name__: entry for entry in (rock_salt, nasicon, nasicon_search, count, liybc, ewald, measured_structures)
}


def run_here(name):
    """Run one case in this process and print its line."""
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    import disolyte.enumeration
    import disolyte.systems  # noqa: F401

    imported = time.perf_counter() - started
    result = CASES[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"case": name, **result, "import_seconds": imported, "peak_mb": peak}))


def run_apart(name, cache):
    """Run one case in a process of its own and return what it prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, __file__, "--here", name], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"case": name, "failed": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(names):
    """Run cases, each first with an empty cache of compiled functions."""
    once = {"measured_structures", "liybc"}
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as cache:
            first = run_apart(name, cache)
            result = first if name in once or "failed" in first else run_apart(name, cache)
        result["first_seconds"] = first.get("seconds")
        rounded = {key: float(f"{value:.10g}") if isinstance(value, float) else value for key, value in result.items()}
        print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        run_here(sys.argv[2])
    elif sys.argv[1:2] == ["--pymatgen"]:
        warnings.simplefilter("ignore")
        print(json.dumps(pymatgen_minimum(sys.argv[2])))
    else:
        main(sys.argv[1:])
