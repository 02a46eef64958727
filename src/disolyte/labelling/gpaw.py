"""SCAN single points with GPAW, the open-source way to labels: plane waves, the published cutoff and mesh.

GPAW is an extra of GPL licence; it is imported when a calculator is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from pydantic import ConfigDict, Field
from pymatgen.core import Lattice

from disolyte.errors import InputError, MissingExtraError
from disolyte.labelling.labels import Failure, Label
from disolyte.labelling.scan import KPOINT_SPACING_PER_ANG, OPEN_SHELL_MOMENTS, Functional, gamma_mesh, needs_spin
from disolyte.labelling.schema import RejectionKind
from disolyte.records import Record

_LIBXC: Final = {
    Functional.SCAN: "MGGA_X_SCAN+MGGA_C_SCAN",
    Functional.R2SCAN: "MGGA_X_R2SCAN+MGGA_C_R2SCAN",
    Functional.PBE: "PBE",
}
"""Functionals by the names of libxc."""


class GpawSettings(Record):
    """Settings of a GPAW single point; the defaults are those of the published VASP labels where GPAW has the same.

    The potentials are GPAW's own PAW setups (made for PBE, as VASP's are), so that energies have another zero than
    VASP's.
    """

    model_config = ConfigDict(frozen=True)

    functional: Functional = Field(default=Functional.SCAN, description="Functional.")
    encut_ev: float = Field(default=520.0, gt=0, description="Plane-wave cutoff, eV.")
    kpoint_spacing_per_ang: float = Field(
        default=KPOINT_SPACING_PER_ANG, gt=0, description="Largest distance between k-points, Å⁻¹, 2π included."
    )
    ediff_ev: float = Field(default=1e-5, gt=0, description="Convergence of the electronic steps, eV per cell.")
    width_ev: float = Field(default=0.05, gt=0, description="Width of the Fermi function, eV.")
    max_iterations: int = Field(default=200, gt=0, description="Most electronic steps.")

    @property
    def label_method(self) -> str:
        """Label method of calculations with these settings."""
        return f"GPAW {self.functional}, ENCUT {self.encut_ev:g} eV"


def require_gpaw() -> None:
    """Refuse to go on without GPAW.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    if find_spec("gpaw") is None:
        raise MissingExtraError("gpaw", "gpaw")


def gpaw_calculator(atoms: Atoms, settings: GpawSettings, *, log: Path | str = "gpaw.txt") -> Any:
    """ASE calculator of GPAW for the cell and elements of ``atoms``, no symmetry used.

    Elements with open shells get moments to start from, as in the VASP input set.

    Parameters
    ----------
    atoms
        Periodic structure.
    settings
        Settings.
    log
        File for GPAW's text output.

    Raises
    ------
    MissingExtraError
        If GPAW is not installed.
    InputError
        If the structure is not periodic in all directions.
    """
    require_gpaw()
    if not atoms.pbc.all():
        raise InputError("GPAW labels need a cell that is periodic in all three directions; set pbc")
    from gpaw import GPAW, PW
    from gpaw.convergence_criteria import Energy

    if needs_spin(atoms.get_chemical_symbols()) and not atoms.get_initial_magnetic_moments().any():
        atoms.set_initial_magnetic_moments([OPEN_SHELL_MOMENTS.get(name, 0.0) for name in atoms.get_chemical_symbols()])
    return GPAW(
        mode=PW(settings.encut_ev),
        xc=_LIBXC[settings.functional],
        kpts={"size": gamma_mesh(Lattice(np.array(atoms.cell)), settings.kpoint_spacing_per_ang), "gamma": True},
        symmetry="off",
        occupations={"name": "fermi-dirac", "width": settings.width_ev},
        convergence={"energy": Energy(settings.ediff_ev, relative=False)},
        maxiter=settings.max_iterations,
        txt=str(log),
    )


class GpawForMD(Calculator):
    """GPAW as the kind of ASE calculator that integrators know; the orbitals of one step start the next.

    Parameters
    ----------
    settings
        Settings.
    """

    def __init__(self, settings: GpawSettings) -> None:
        super().__init__()
        require_gpaw()
        self.implemented_properties = ["energy", "free_energy", "forces"]
        self.settings = settings
        self._atoms: Atoms | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces."""
        super().calculate(atoms, list(properties), list(system_changes))
        if atoms is None:
            raise InputError("no structure is given to compute")
        if self._atoms is None:
            self._atoms = atoms.copy()
            self._atoms.calc = gpaw_calculator(self._atoms, self.settings)
        self._atoms.positions[:] = atoms.positions
        energy = float(self._atoms.get_potential_energy(force_consistent=True))
        self.results = {"energy": energy, "free_energy": energy, "forces": self._atoms.get_forces()}


def label_with_gpaw(atoms: Atoms, settings: GpawSettings, *, log: Path | str = "gpaw.txt") -> Label | Failure:
    """Label one structure.

    Parameters
    ----------
    atoms
        Periodic structure.
    settings
        Settings.
    log
        File for GPAW's text output.

    Returns
    -------
    Label or Failure
        Free energy (of which forces and stress are the derivatives), forces and stress; or why there is no label.

    Raises
    ------
    MissingExtraError
        If GPAW is not installed.
    """
    atoms = atoms.copy()
    atoms.calc = gpaw_calculator(atoms, settings, log=log)
    from gpaw import KohnShamConvergenceError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="libxc should be compiled")
            energy_ev = float(atoms.get_potential_energy(force_consistent=True))
            forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
    except KohnShamConvergenceError as error:
        said = (str(error).splitlines() or ["the electronic steps did not converge"])[0]
        return Failure(RejectionKind.UNCONVERGED, f"GPAW: {said}; see {Path(log).absolute()}")
    return Label(energy_ev, np.asarray(forces, dtype=float), np.asarray(stress, dtype=float))
