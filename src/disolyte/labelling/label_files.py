"""Labels that somebody made, from extended-xyz files: names, units and signs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from ase import Atoms, units
from ase.io import read
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from disolyte.errors import DatasetError, InputError
from disolyte.labelling.labels import Failure, Label, LabelledFrame, build_label_doc
from disolyte.labelling.schema import LabelDoc, RejectionKind
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch

METHOD_KEYS: Final = ("label_method", "functional", "xc", "run_type")
"""Names in a frame's ``info`` that say what made its label."""


class EnergyUnit(StrEnum):
    """Units of energies in files; forces are in the same per Å, or per bohr for the atomic units."""

    EV = "eV"
    HARTREE = "Ha"
    RYDBERG = "Ry"
    KCAL_PER_MOL = "kcal/mol"
    KJ_PER_MOL = "kJ/mol"

    @property
    def ev(self) -> float:
        """The unit in eV."""
        table = {"eV": 1.0, "Ha": units.Hartree, "Ry": units.Rydberg}
        return table.get(self.value) or {"kcal/mol": units.kcal / units.mol, "kJ/mol": units.kJ / units.mol}[self.value]

    @property
    def length_ang(self) -> float:
        """Length that forces in this unit go with, Å."""
        return units.Bohr if self in {EnergyUnit.HARTREE, EnergyUnit.RYDBERG} else 1.0


class StressUnit(StrEnum):
    """Units of stresses in files."""

    EV_PER_ANG3 = "eV/A^3"
    GPA = "GPa"
    KBAR = "kbar"

    @property
    def ev_per_ang3(self) -> float:
        """The unit in eV/Å³."""
        return {"eV/A^3": 1.0, "GPa": units.GPa, "kbar": 0.1 * units.GPa}[self.value]


_Unit = TypeVar("_Unit", EnergyUnit, StressUnit)


class LabelKeys(Record):
    """How labels are written in somebody's extended-xyz file."""

    model_config = ConfigDict(frozen=True)

    energy: str = Field(default="REF_energy", description="Name of the total energy in a frame's info.")
    forces: str = Field(default="REF_forces", description="Name of the forces in a frame's arrays.")
    stress: str = Field(default="REF_stress", description="Name of the stress in a frame's info.")
    energy_unit: EnergyUnit = Field(default=EnergyUnit.EV, description="Unit of the energy.")
    stress_unit: StressUnit = Field(default=StressUnit.EV_PER_ANG3, description="Unit of the stress.")
    stress_is_pressure: bool = Field(
        default=False, description="Whether stress is positive under compression, as VASP prints it."
    )
    energy_per_atom: bool = Field(default=False, description="Whether energies are per atom instead of per cell.")


def parse_units(energy: str, stress: str) -> tuple[EnergyUnit, StressUnit]:
    """Units by name, capital letters or not.

    Raises
    ------
    InputError
        If there is no such unit.
    """
    return _unit(EnergyUnit, energy), _unit(StressUnit, stress)


def read_labels(
    files: Sequence[Path],
    keys: LabelKeys,
    *,
    label_method: str | None,
    record: dict[str, Any],
    is_surrogate: bool = False,
) -> list[LabelDoc]:
    """Read labels that somebody made.

    Parameters
    ----------
    files
        Extended-xyz files. A frame's ``info`` may hold ``family`` (else each file with each composition is one),
        ``composition``, ``md_step``, and what made the label.
    keys
        Names, units and signs.
    label_method
        What made the labels; None if the frames say so.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the documents.
    is_surrogate
        Whether a model made the labels, and not DFT.

    Returns
    -------
    list of LabelDoc
        One document per method; frames with labels that are no numbers are among the rejections.

    Raises
    ------
    DatasetError
        If a file is missing, empty, or no extended xyz; if a frame lacks a label or its cell; or if nothing says what
        made the labels.
    """
    found = read_labelled_frames(files, keys)
    by_method: dict[str, list[LabelledFrame]] = {}
    for frame, said in found:
        if said is None and label_method is None:
            raise DatasetError(
                "nothing says what made the labels; state code, functional and cutoff, e.g. 'VASP SCAN, ENCUT 520 eV'"
            )
        if said is not None and label_method is not None and not _words(said) <= _words(label_method):
            raise DatasetError(f"a frame says that its label is {said!r}, but {label_method!r} was stated")
        by_method.setdefault(label_method or str(said), []).append(frame)
    return [_to_document(frames, method, record, is_surrogate=is_surrogate) for method, frames in by_method.items()]


def read_labelled_frames(
    files: Iterable[Path], keys: LabelKeys | None = None
) -> list[tuple[LabelledFrame, str | None]]:
    """Read frames with their labels and, where they say so, what made them.

    Raises
    ------
    DatasetError
        See :func:`read_labels`.
    """
    found = []
    for file in files:
        for index, atoms in enumerate(_read_file(Path(file))):
            try:
                found.append(_to_labelled_frame(atoms, keys or LabelKeys(), file, index))
            except DatasetError:
                raise
            except (TypeError, ValueError, OverflowError) as error:
                raise DatasetError(
                    f"frame {index} of {file} has something else than a number in its label or md_step ({error})"
                ) from error
    return found


def _words(method: str) -> set[str]:
    """Words of a method; of SCAN and r2SCAN neither holds the other."""
    return set(re.split(r"[\s,;/()]+", method.lower())) - {""}


def _unit(known: type[_Unit], name: str) -> _Unit:
    for unit in known:
        if unit.lower() == name.lower():
            return unit
    raise InputError(f"unit {name!r} is unknown; give one of: {', '.join(known)}")


def _read_file(file: Path) -> list[Atoms]:
    if not file.is_file():
        raise DatasetError(f"there is no file {file}; give extended-xyz files, or a folder that export wrote")
    _require_whole_frames(file)
    try:
        frames = list(read(file, index=":", format="extxyz"))
    except Exception as error:
        # ASE's reader raises errors of all kinds on files that are no extended xyz
        raise DatasetError(f"{file} cannot be read as extended xyz ({type(error).__name__}: {error})") from error
    if not frames:
        raise DatasetError(f"{file} holds no frames")
    return frames


def _require_whole_frames(file: Path) -> None:
    """Refuse a file that ends within a frame; ASE would go on looking for as many atoms as the frame claims."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for index in count():
            header = next(lines, "").strip()
            if not header.isdecimal():
                return  # the end, or something that ASE will complain of
            n_wanted = 1 + int(header[:18])
            n_found = sum(1 for _ in islice(lines, n_wanted))
            if n_found < n_wanted:
                raise DatasetError(f"{file} ends in frame {index}, which claims {header[:20]} atoms; write it again")


def _to_labelled_frame(atoms: Atoms, keys: LabelKeys, file: Path, index: int) -> tuple[LabelledFrame, str | None]:
    where = f"frame {index} of {file}"
    energy, forces, stress = _find_labels(atoms, keys, where)
    if not atoms.pbc.all() or abs(np.linalg.det(np.array(atoms.cell))) < 1e-6:
        raise DatasetError(f"{where} has no cell that is periodic in three directions; write Lattice and pbc='T T T'")
    if (atoms.numbers < 1).any():
        raise DatasetError(f"{where} holds an atom of no element (X); name all elements")
    formula = atoms.get_chemical_formula(mode="hill", empirical=True)
    energy_ev = float(energy) * keys.energy_unit.ev * (len(atoms) if keys.energy_per_atom else 1)
    label = Label(
        energy_ev=energy_ev,
        forces_ev_per_ang=np.asarray(forces, dtype=float) * keys.energy_unit.ev / keys.energy_unit.length_ang,
        stress_ev_per_ang3=_full(stress, where) * keys.stress_unit.ev_per_ang3 * (-1 if keys.stress_is_pressure else 1),
    )
    said = next((str(atoms.info[name]) for name in METHOD_KEYS if name in atoms.info), None)
    composition = str(atoms.info.get("composition", formula))
    return (
        LabelledFrame(
            numbers=atoms.numbers.astype(np.int64),
            positions_ang=atoms.get_positions(),
            cell_ang=np.array(atoms.cell),
            label=label,
            family=str(atoms.info.get("family", f"{file.stem}-{composition}")),
            composition=composition,
            md_step=int(atoms.info.get("md_step", 0)),
        ),
        said,
    )


def _find_labels(atoms: Atoms, keys: LabelKeys, where: str) -> tuple[Any, Any, Any]:
    """Labels under their names, or where ASE's reader puts those called energy, forces and stress."""
    results = {} if atoms.calc is None else atoms.calc.results
    places = (
        ("energy", keys.energy, atoms.info), ("forces", keys.forces, atoms.arrays), ("stress", keys.stress, atoms.info)
    )  # fmt: skip
    found = []
    for quantity, name, place in places:
        value = place.get(name, results.get(quantity) if name == quantity else None)
        if value is None:
            there = sorted({*atoms.info, *atoms.arrays, *results} - {"numbers", "positions"})
            raise DatasetError(f"{where} has no {quantity} under {name!r}; it holds: {', '.join(there) or 'nothing'}")
        if np.asarray(value).dtype.kind == "b":
            raise DatasetError(f"{where}: {name!r} is logical, not a number; mend the types of its columns")
        found.append(value)
    if np.shape(found[1]) != (len(atoms), 3):
        raise DatasetError(f"{where}: forces have shape {np.shape(found[1])}, not ({len(atoms)}, 3)")
    return found[0], found[1], found[2]


def _full(stress: Any, where: str) -> NDArray[np.float64]:
    """Stress as (3, 3), from that or from Voigt's xx, yy, zz, yz, xz, xy."""
    array = np.asarray(stress, dtype=float)
    if array.size == 6:
        xx, yy, zz, yz, xz, xy = array.ravel()
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if array.size != 9:
        raise DatasetError(f"{where}: the stress has {array.size} numbers; write 9, or 6 in Voigt's order")
    return array.reshape(3, 3)


def _to_document(
    frames: Sequence[LabelledFrame], label_method: str, record: dict[str, Any], *, is_surrogate: bool
) -> LabelDoc:
    atoms = []
    for frame in frames:
        atoms.append(Atoms(frame.numbers, frame.positions_ang, cell=frame.cell_ang, pbc=True))
        atoms[-1].info = {"family": frame.family, "composition": frame.composition, "md_step": frame.md_step}
    broken = Failure(RejectionKind.NOT_FINITE, "energy, forces or stress in the file are NaN or infinite")
    results = [frame.label if frame.label.is_finite else broken for frame in frames]
    batch = FrameBatch.from_atoms(atoms)
    return build_label_doc(batch, results, label_method=label_method, is_surrogate=is_surrogate, record=record)
