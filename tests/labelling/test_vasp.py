"""The written VASP inputs against the published protocol."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.io.vasp import Incar, Kpoints, Poscar

from disolyte.errors import InputError
from disolyte.labelling import scan
from disolyte.labelling.label_settings import LabelSettings

PROTOCOL_POTCARS = {
    "Na": "Na_pv", "Zr": "Zr_sv", "Si": "Si", "P": "P", "Li": "Li_sv", "Ge": "Ge_d", "S": "S", "Y": "Y_sv",
    "In": "In_d", "Cl": "Cl", "Br": "Br", "O": "O",
}  # fmt: skip
PROTOCOL_DATES = {
    "Na": "19Sep2006", "Zr": "04Jan2005", "Si": "05Jan2001", "P": "06Sep2000", "Li": "10Sep2004", "Ge": "03Jul2007",
    "S": "06Sep2000", "Y": "25May2007", "In": "06Sep2000", "Cl": "06Sep2000", "Br": "06Sep2000", "O": "08Apr2002",
}  # fmt: skip


def placed(lattice, species):
    """A structure with the species on a coarse grid: only cell and elements matter for the inputs."""
    n = math.ceil(len(species) ** (1 / 3))
    grid = [[i / n, j / n, k / n] for i in range(n) for j in range(n) for k in range(n)]
    return Structure(lattice, species, grid[: len(species)])


CASES = {
    # formula: structure, mesh by hand from 2π|b|/0.2 rounded up
    "liybc": (
        # |a|, |b|, |c| of the C2/m halides; monoclinic: b_a = 1/(a sin β), b_c = 1/(c sin β)
        placed(Lattice.monoclinic(6.41, 11.08, 6.39, 109.8), ["Li"] * 6 + ["In", "Y"] + ["Cl"] * 6 + ["Br"] * 6),
        (6, 3, 6),
    ),
    "nasicon": (
        placed(Lattice.hexagonal(8.86, 22.76), ["Na"] * 18 + ["Zr"] * 12 + ["Si"] * 12 + ["P"] * 6 + ["O"] * 72),
        (5, 5, 2),
    ),
    "lpsgo": (
        placed(Lattice.orthorhombic(12.8, 8.2, 6.1), ["Li"] * 14 + ["P"] * 2 + ["Ge"] * 2 + ["S"] * 8 + ["O"] * 8),
        (3, 4, 6),
    ),
}


@pytest.fixture(scope="module")
def vasp():
    """The VASP part, imported once: it takes seconds."""
    from disolyte.labelling import vasp as module

    return module


@pytest.mark.parametrize("system", CASES)
def test_written_inputs_are_the_protocol(vasp, system, clean_dir):
    structure, mesh = CASES[system]
    vasp.ScanStaticSetGenerator().get_input_set(structure, potcar_spec=True).write_input(".")

    incar = Incar.from_file("INCAR")
    protocol = {"METAGGA": "Scan", "ENCUT": 520, "EDIFF": 1e-5, "ISYM": 0, "LASPH": True, "NSW": 0}
    assert {key: incar[key] for key in protocol} == protocol
    assert incar["ISPIN"] == 1
    # nothing may slip in from a base set: no +U, no other functional, no mesh by KSPACING, no spin, no relaxation
    assert not {"GGA", "LDAU", "KSPACING", "MAGMOM", "IBRION", "ISIF", "IVDW", "LUSE_VDW"} & incar.keys()

    kpoints = Kpoints.from_file("KPOINTS")
    assert kpoints.style.name == "Gamma"
    assert tuple(kpoints.kpts[0]) == mesh
    assert tuple(kpoints.kpts_shift) == (0, 0, 0)

    written = Poscar.from_file("POSCAR")
    assert Path("POTCAR.spec").read_text().split() == [PROTOCOL_POTCARS[element] for element in written.site_symbols]
    assert written.structure.composition == structure.composition
    assert len(written.site_symbols) == len(structure.composition), "one POTCAR per element"


def test_potcar_functional_and_titels(vasp):
    assert vasp.ScanStaticSetGenerator().user_potcar_functional == "PBE_54"
    assert PROTOCOL_POTCARS == scan.PAW_PBE_54
    for element, date in PROTOCOL_DATES.items():
        assert scan.PAW_TITELS[element] == f"PAW_PBE {PROTOCOL_POTCARS[element]} {date}"


@pytest.mark.parametrize(
    "lattice", [Lattice.cubic(4.2), Lattice.monoclinic(6.4, 11.1, 6.4, 110), Lattice.hexagonal(9, 23)]
)
def test_mesh_is_the_coarsest_within_the_spacing(lattice):
    for length, n in zip(lattice.reciprocal_lattice.abc, scan.gamma_mesh(lattice, 0.2), strict=True):
        assert length / n <= 0.2 + 1e-9
        assert n == 1 or length / (n - 1) > 0.2


def test_mesh_is_not_rounded_up_by_noise():
    assert scan.gamma_mesh(Lattice.cubic(2 * math.pi / 0.6), 0.2) == (3, 3, 3)
    assert scan.gamma_mesh(Lattice.cubic(60.0), 0.2) == (1, 1, 1)
    with pytest.raises(InputError, match="not positive"):
        scan.gamma_mesh(Lattice.cubic(5), 0)


def test_spin_only_where_elements_ask_for_it(vasp):
    generator = vasp.ScanStaticSetGenerator()
    iron = placed(Lattice.cubic(6), ["Li"] * 4 + ["Fe"] * 4 + ["Cl"] * 8)
    incar = generator.get_input_set(iron, potcar_spec=True).incar
    assert incar["ISPIN"] == 2
    moments = dict(zip([site.specie.symbol for site in iron.get_sorted_structure()], incar["MAGMOM"], strict=True))
    assert moments["Fe"] == 5.0
    # the same generator, used again, forgets the iron
    assert generator.get_input_set(CASES["liybc"][0], potcar_spec=True).incar["ISPIN"] == 1


def test_user_settings_win(vasp):
    generator = vasp.ScanStaticSetGenerator(
        user_incar_settings={"METAGGA": "R2SCAN", "NCORE": 4, "LORBIT": None},
        user_kpoints_settings=Kpoints.gamma_automatic((2, 2, 2)),
    )
    inputs = generator.get_input_set(CASES["liybc"][0], potcar_spec=True)
    assert inputs.incar["METAGGA"].upper() == "R2SCAN"
    assert inputs.incar["NCORE"] == 4
    assert "LORBIT" not in inputs.incar
    assert inputs.kpoints.kpts[0] == (2, 2, 2)
    assert generator.label_settings.label_method == "VASP r2SCAN, ENCUT 520 eV"
    coarse = vasp.ScanStaticSetGenerator(kpoint_spacing_per_ang=0.5)
    assert coarse.get_input_set(CASES["liybc"][0], potcar_spec=True).kpoints.kpts[0] == (3, 2, 3)


def test_previous_pbe_run_does_not_change_the_settings(vasp):
    generator = vasp.ScanStaticSetGenerator(
        prev_incar={"GGA": "PE", "ENCUT": 300, "EDIFF": 1e-3, "ISYM": 2, "METAGGA": "--", "NSW": 99, "LASPH": False}
    )
    inherited = vasp.ScanStaticSetGenerator(prev_incar={"ENCUT": 300, "NSW": 99, "NCORE": 8}, inherit_incar=True)
    for made, expected in [(generator, None), (inherited, 8)]:
        incar = made.get_input_set(CASES["liybc"][0], potcar_spec=True).incar
        assert (incar["ENCUT"], incar["EDIFF"], incar["ISYM"], incar["NSW"]) == (520, 1e-5, 0, 0)
        assert "GGA" not in incar
        assert incar.get("NCORE") == expected


def test_maker_behaves_like_an_atomate2_maker(vasp):
    from atomate2.vasp.powerups import update_user_incar_settings

    maker = vasp.ScanStaticMaker(run_vasp_kwargs={"vasp_cmd": "mpirun vasp_std", "max_errors": 3})
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    assert again == maker
    assert again.input_set_generator.kpoint_spacing_per_ang == 0.2

    powered = update_user_incar_settings(maker, {"NCORE": 2})
    incar = powered.input_set_generator.get_input_set(CASES["lpsgo"][0], potcar_spec=True).incar
    assert incar["NCORE"] == 2
    assert incar["METAGGA"].upper() == "SCAN"
    assert "NCORE" not in maker.input_set_generator.user_incar_settings

    job = maker.make(CASES["liybc"][0])
    assert job.name == "SCAN static"
    assert vasp.ScanStaticMaker.role == "dft"


def test_atoms_in_any_order_have_one_potential_per_element(vasp):
    structure = CASES["liybc"][0]
    mixed = Structure.from_sites([structure[int(i)] for i in np.random.default_rng(0).permutation(len(structure))])
    inputs = vasp.ScanStaticSetGenerator().get_input_set(mixed, potcar_spec=True)
    assert sorted(inputs.poscar.site_symbols) == ["Br", "Cl", "In", "Li", "Y"]
    assert inputs.potcar.split() == [PROTOCOL_POTCARS[symbol] for symbol in inputs.poscar.site_symbols]
    kept = vasp.ScanStaticSetGenerator(sort_structure=False).get_input_set(mixed, potcar_spec=True)
    assert kept.poscar.structure.species == mixed.species


@pytest.mark.parametrize("key", ["nasicon", "lpsgo", "liybc"])
def test_every_published_composition_gets_the_published_inputs(vasp, key):
    from disolyte.errors import DisolyteError
    from disolyte.systems import get_system

    try:
        points = get_system(key).points()
    except DisolyteError:
        pytest.skip(f"{key} is not in the library")
    generator = vasp.ScanStaticSetGenerator()
    for point in points:
        elements = [element.symbol for element in Composition(point.formula)]
        inputs = generator.get_input_set(placed(Lattice.cubic(9.0), elements), potcar_spec=True)
        expected = [PROTOCOL_POTCARS[symbol] for symbol in inputs.poscar.site_symbols]
        assert inputs.potcar.split() == expected, point.formula
        assert (inputs.incar["METAGGA"].upper(), inputs.incar["ENCUT"], inputs.incar["ISPIN"]) == ("SCAN", 520, 1)
        assert inputs.kpoints.kpts[0] == (4, 4, 4)


@pytest.mark.parametrize(
    ("functional", "tags", "method"),
    [
        ("SCAN", {"METAGGA": "SCAN", "GGA": None, "LMIXTAU": True}, "VASP SCAN, ENCUT 520 eV"),
        ("r2SCAN", {"METAGGA": "R2SCAN", "GGA": None, "LMIXTAU": True}, "VASP r2SCAN, ENCUT 520 eV"),
        ("PBE", {"METAGGA": None, "GGA": "PE", "LMIXTAU": None}, "VASP PBE, ENCUT 520 eV"),
    ],
)
def test_functionals(vasp, functional, tags, method):
    generator = vasp.ScanStaticSetGenerator(functional=functional)
    again = json.loads(json.dumps(generator, cls=MontyEncoder), cls=MontyDecoder)
    for made in (generator, again):
        incar = made.get_input_set(CASES["liybc"][0], potcar_spec=True).incar
        found = {name: str(incar[name]).upper() if name in incar else None for name in tags}
        assert found == {name: None if value is None else str(value).upper() for name, value in tags.items()}
        assert made.label_settings.label_method == method
    with pytest.raises(InputError, match="functional 'B3LYP' is unknown; there are: SCAN, r2SCAN, PBE"):
        vasp.ScanStaticSetGenerator(functional="B3LYP")
    with pytest.raises(InputError, match="EDIFF was taken out"):
        vasp.ScanStaticSetGenerator(user_incar_settings={"EDIFF": None}).label_settings  # noqa: B018


def test_powerups_reach_the_labeller_of_a_campaign(vasp):
    from atomate2.vasp.powerups import update_user_incar_settings

    from disolyte.labelling.makers import LabelMaker

    maker = LabelMaker(retry_makers=[vasp.ScanDoubleStaticMaker()])
    powered = update_user_incar_settings(maker, {"NCORE": 2})
    assert powered.static_maker.input_set_generator.user_incar_settings == {"NCORE": 2}
    double = powered.retry_makers[0] if powered.retry_makers else None
    assert double is not None
    assert maker.static_maker.input_set_generator.user_incar_settings == {}


def test_settings_that_differ_are_named():
    wanted = LabelSettings(
        functional="SCAN", encut_ev=520, ediff_ev=1e-5, aspherical=True, kpoint_spacing_per_ang=0.2,
        potentials={"Li": "PAW_PBE Li_sv 10Sep2004"},
    )  # fmt: skip
    used = wanted.model_copy(update={"kpoint_spacing_per_ang": 0.19})
    assert used.differences(wanted) == []
    other = LabelSettings(
        functional="PBE", encut_ev=400, ediff_ev=1e-3, kpoint_spacing_per_ang=0.4,
        potentials={"Li": "PAW_PBE Li_sv 23Jan2001", "Xe": "PAW_PBE Xe 07Sep2000"},
    )  # fmt: skip
    assert other.differences(wanted) == [
        "functional PBE instead of SCAN",
        "ENCUT 400 instead of 520 eV",
        "EDIFF 0.001 instead of 1e-05 eV",
        "LASPH off instead of on",
        "k-points 0.400 apart instead of at most 0.2 Å⁻¹",
        "potential 'PAW_PBE Li_sv 23Jan2001' instead of 'PAW_PBE Li_sv 10Sep2004'",
    ]
    unknown = wanted.model_copy(update={"encut_ev": math.nan, "ediff_ev": math.nan, "kpoint_spacing_per_ang": None})
    assert len(unknown.differences(wanted)) == 3
