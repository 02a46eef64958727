"""Runs of the real VASP Makers with the stand-in: potentials to read, a fast custodian, faults to inject."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
from pymatgen.core import Lattice, Structure
from stand_in_vasp import key_of

from disolyte.labelling import scan
from disolyte.labelling.frames import frames_from_structures

HERE = Path(__file__).parent
COMMAND = f"{sys.executable} {HERE / 'stand_in_vasp.py'}"
HANG_S = 5.0

# the header lines that programs read; no potential is in it
POTCAR = """  {titel}
   1.00000000000000000
 parameters from PSCTR are:
   VRHFIN ={element}: s1
   LEXCH  = PE
   EATOM  =     1.0000 eV,    0.1000 Ry
   TITEL  = {titel}
   LULTRA =        F    use ultrasoft PP ?
   LPAW   =        T    paw PP
   POMASS =    1.000; ZVAL   =    1.000    mass and valenz
   ENMAX  =  100.000; ENMIN  =   75.000 eV
END of PSCTR-controll parameters
 local part
 0.0
End of Dataset
"""


def write_potcars(folder, **titels):
    """Fake POTCAR files of the published set; ``titels`` of some elements may be others. Returns ``folder``."""
    for element, symbol in scan.PAW_PBE_54.items():
        file = folder / "POT_GGA_PAW_PBE_54" / symbol / "POTCAR"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(POTCAR.format(element=element, titel=titels.get(element, scan.PAW_TITELS[element])))
    return folder


def run_vasp_kwargs(*, hang_s=HANG_S, **changes):
    """Arguments of atomate2's ``run_vasp``: its own handlers, but looking often and waiting for little."""
    from atomate2.vasp.run import DEFAULT_HANDLERS
    from custodian.vasp.handlers import FrozenJobErrorHandler

    handlers = [
        FrozenJobErrorHandler(timeout=hang_s) if isinstance(handler, FrozenJobErrorHandler) else handler
        for handler in DEFAULT_HANDLERS
    ]
    return {
        "vasp_cmd": COMMAND,
        "vasp_gamma_cmd": COMMAND,
        "handlers": handlers,
        "custodian_kwargs": {"polling_time_step": 0.1, "monitor_freq": 5, "max_errors_per_job": 2},
        **changes,
    }


@cache
def salt(cation, anion, edge):
    """Conventional cell of a salt; made once, for its symmetry costs half a second."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(edge), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def salt_frames(n, seed=0):
    """``n`` rattled, strained salt cells of four compositions, atoms in no order, as MD runs would leave them."""
    rng = np.random.default_rng(seed)
    cells = [("Li", "Cl", 5.1), ("Li", "Br", 5.5), ("Na", "Cl", 5.6), ("Na", "Br", 5.9)]
    structures, families, steps = [], [], []
    for index in range(n):
        cation, anion, edge = cells[index % len(cells)]
        structure = salt(cation, anion, edge)
        strain = rng.uniform(-0.03, 0.03, (3, 3))
        matrix = structure.lattice.matrix @ (np.eye(3) + 0.5 * (strain + strain.T))
        fractions = structure.frac_coords + rng.normal(0, 0.02, (len(structure), 3))
        order = rng.permutation(len(structure))
        species = [structure[int(site)].specie for site in order]
        structures.append(Structure(Lattice(matrix), species, fractions[order]))
        families.append(f"{cation}{anion}-{index // len(cells) % 5:03d}")
        steps.append(100 * (index // (5 * len(cells))))
    frames = frames_from_structures(structures)
    return structures, frames.model_copy(update={"family": families, "md_step": steps})


def write_faults(file, structures, kinds, *, times=None):
    """Make the stand-in fail for the cells of ``structures``, each with its kind."""
    limits = {} if times is None else {"times": times}
    entries = {
        key_of(structure.lattice.matrix): {"fault": kind, **limits}
        for structure, kind in zip(structures, kinds, strict=True)
    }
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**known, **entries}))
    return file
