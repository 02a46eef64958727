"""A stand-in for the program ``vasp``: reads its inputs, writes its outputs, with energies of a cheap potential.

Run it in a folder with POSCAR, INCAR, KPOINTS and POTCAR (or POTCAR.spec). ``STAND_IN_VASP_FAULTS`` may name a JSON
file ``{key: {"fault": ..., "times": ...}}`` that makes it misbehave for the cell whose :func:`key_of` is given, each
time or the first ``times`` times.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
from cheap_potential import evaluate

KBAR_PER_EV_ANG3 = 1602.1766208
AMU_ANG2_PER_FS2_EV = 103.642697
MASSES = {"Li": 6.94, "Na": 22.99, "In": 114.82, "Y": 88.91, "Cl": 35.45, "Br": 79.9, "O": 16.0, "S": 32.06}
BOLTZMANN_EV_PER_K = 8.617333e-5


def key_of(cell_ang):
    """What names a cell in the list of faults."""
    return f"{abs(np.linalg.det(np.asarray(cell_ang, float))):.6f}"


def read_incar():
    tags = {}
    for line in Path("INCAR").read_text().splitlines():
        name, found, value = line.partition("=")
        if found:
            tags[name.strip().upper()] = value.strip()
    return tags


def read_poscar():
    lines = Path("POSCAR").read_text().splitlines()
    cell = float(lines[1]) * np.array([line.split()[:3] for line in lines[2:5]], float)
    counts = [int(word) for word in lines[6].split()]
    symbols = [symbol for symbol, n in zip(lines[5].split(), counts, strict=True) for _ in range(n)]
    assert lines[7].lower().startswith("direct")
    fractions = np.array([line.split()[:3] for line in lines[8 : 8 + len(symbols)]], float)
    return lines[5].split(), counts, symbols, cell, fractions


def read_mesh():
    lines = Path("KPOINTS").read_text().splitlines()
    assert lines[2].lower().startswith("g"), "Gamma-centred"
    return [int(word) for word in lines[3].split()]


def read_titels():
    if Path("POTCAR").exists():
        return re.findall(r"TITEL\s*=\s*(.+)", Path("POTCAR").read_text())
    return [f"PAW_PBE {symbol} 01Jan2000" for symbol in Path("POTCAR.spec").read_text().split()]


def take_fault(cell):
    file = os.environ.get("STAND_IN_VASP_FAULTS")
    entry = json.loads(Path(file).read_text()).get(key_of(cell)) if file else None
    if entry is None:
        return None
    counter = Path(f"{file}.{key_of(cell)}")
    with counter.open("a") as handle:
        handle.write("x")
    return entry["fault"] if counter.stat().st_size <= entry.get("times", 10**6) else None


def typed(value):
    """Tag in vasprun.xml's notation."""
    if value.upper().strip(".") in {"TRUE", "FALSE", "T", "F"}:
        return ' type="logical"', value.upper().strip(".")[0]
    for kind, convert in ((' type="int"', int), ("", float)):
        try:
            convert(value)
        except ValueError:
            continue
        return kind, value
    return ' type="string"', value


def xml_tags(tags):
    return "\n".join(
        f'  <i{kind} name="{name}">{text}</i>' for name, value in tags.items() for kind, text in [typed(value)]
    )


def xml_rows(name, rows, digits=8):
    body = "\n".join("   <v> " + " ".join(f"{x:.{digits}f}" for x in row) + " </v>" for row in np.asarray(rows))
    return f'  <varray name="{name}">\n{body}\n  </varray>'


def xml_structure(cell, fractions, name=None):
    label = f' name="{name}"' if name else ""
    return f"""<structure{label}>
 <crystal>
{xml_rows("basis", cell, 10)}
  <i name="volume">{abs(np.linalg.det(cell)):.8f}</i>
 </crystal>
{xml_rows("positions", fractions, 10)}
</structure>"""


def xml_energy(energy, extra=""):
    return (
        f'<energy>\n  <i name="e_fr_energy">{energy:.8f}</i>\n  <i name="e_wo_entrp">{energy:.8f}</i>\n'
        f'  <i name="e_0_energy">{energy:.8f}</i>\n{extra}</energy>'
    )


def xml_step(step, n_electronic):
    cycles = []
    for number in range(n_electronic):
        off = 0.5 * 0.1**number if step["converges"] else 0.5
        cycles.append(f"<scstep>\n{xml_energy(step['energy'] + off)}\n</scstep>")
    extra = "".join(f'  <i name="{key}">{step[key]:.8f}</i>\n' for key in ("kinetic", "total") if key in step)
    return f"""<calculation>
{chr(10).join(cycles)}
{xml_structure(step["cell"], step["fractions"])}
{xml_rows("forces", step["forces"])}
{xml_rows("stress", -KBAR_PER_EV_ANG3 * step["stress"])}
{xml_energy(step["energy"], extra)}
{ELECTRONS if step.get("last") else ""}
</calculation>"""


# one filled and one empty band, 5 eV apart
ELECTRONS = """<eigenvalues><array>
 <dimension dim="1">band</dimension><dimension dim="2">kpoint</dimension><dimension dim="3">spin</dimension>
 <field>eigene</field><field>occ</field>
 <set><set comment="spin 1"><set comment="kpoint 1"><r> -1.0 1.0 </r><r> 4.0 0.0 </r></set></set></set>
</array></eigenvalues>
<dos><i name="efermi">0.0</i><total><array><dimension dim="1">gridpoints</dimension><dimension dim="2">spin</dimension>
 <field>energy</field><field>total</field><field>integrated</field>
 <set><set comment="spin 1"><r> -1.0 1.0 1.0 </r><r> 1.0 0.0 1.0 </r><r> 4.0 1.0 2.0 </r></set></set>
</array></total></dos>"""


def xml_header(tags, names, counts, symbols, cell, fractions, mesh, titels):
    functional = {key: tags[key] for key in ("METAGGA", "GGA") if key in tags}
    parameters = {"GGA": "PE", "LORBIT": "11", "IBRION": "-1", "NSW": "0", "NELM": "60", "LDAU": "F", "ISPIN": "1"}
    parameters |= {
        "NELMIN": "2",
        "NELECT": f"{float(len(symbols))}",
        **{key: value for key, value in tags.items() if key != "METAGGA"},
        **functional,
    }
    atoms = "\n".join(f"<rc><c>{symbol}</c><c>{1 + names.index(symbol)}</c></rc>" for symbol in symbols)
    types = "\n".join(
        f"<rc><c>{n}</c><c>{name}</c><c>10.0</c><c>7.0</c><c>{titel.strip()}</c></rc>"
        for n, name, titel in zip(counts, names, titels, strict=True)
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
<generator><i name="program" type="string">vasp</i><i name="version" type="string">6.3.2</i></generator>
<incar>
{xml_tags(tags)}
</incar>
<kpoints><generation param="Gamma"><v type="int" name="divisions"> {" ".join(map(str, mesh))} </v>
<v name="usershift"> 0.0 0.0 0.0 </v></generation>
<varray name="kpointlist"><v> 0.0 0.0 0.0 </v></varray><varray name="weights"><v> 1.0 </v></varray></kpoints>
<parameters><separator name="general">
{xml_tags(parameters)}
</separator></parameters>
<atominfo><atoms>{len(symbols)}</atoms><types>{len(names)}</types>
<array name="atoms"><dimension dim="1">ion</dimension><field type="string">element</field>
<field type="int">atomtype</field><set>
{atoms}
</set></array>
<array name="atomtypes"><dimension dim="1">type</dimension><field type="int">atomspertype</field>
<field type="string">element</field><field>mass</field><field>valence</field>
<field type="string">pseudopotential</field><set>
{types}
</set></array></atominfo>
{xml_structure(cell, fractions, "initialpos")}
"""


def run_steps(tags, symbols, cell, fractions):
    """One step for a single point; NSW steps of velocity Verlet for molecular dynamics."""
    functional = "SCAN" if tags.get("METAGGA", "--").upper() in {"SCAN", "R2SCAN"} else "PBE"
    n_steps = max(1, int(tags.get("NSW", 0))) if tags.get("IBRION", "-1") == "0" else 1
    masses = np.array([MASSES[symbol] for symbol in symbols])[:, None] * AMU_ANG2_PER_FS2_EV
    positions, step_fs = fractions @ cell, float(tags.get("POTIM", 1.0))
    kelvin = float(tags.get("TEBEG", 0))
    velocities = np.random.default_rng(0).normal(size=positions.shape) * np.sqrt(BOLTZMANN_EV_PER_K * kelvin / masses)
    for number in range(n_steps):
        energy, forces, stress = evaluate(symbols, positions, cell, functional)
        kinetic = 0.5 * float((masses * velocities**2).sum())
        step = {"energy": energy, "forces": forces, "stress": stress, "cell": cell, "converges": True}
        step["fractions"] = np.linalg.solve(cell.T, positions.T).T % 1.0
        if n_steps > 1:
            step |= {"kinetic": kinetic, "total": energy + kinetic}
        yield step | {"last": number == n_steps - 1}
        if n_steps > 1:
            velocities = velocities + 0.5 * step_fs * forces / masses
            positions = positions + step_fs * velocities
            velocities = velocities + 0.5 * step_fs * evaluate(symbols, positions, cell, functional)[1] / masses


def write_outcar(ibrion, seconds):
    Path("OUTCAR").write_text(
        f""" vasp.6.3.2 stand-in
 running on    1 total cores
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      2
   total plane-waves  NPLWV =    1000
   IBRION = {ibrion:6d}    ionic relax: 0-MD 1-quasi-New 2-CG
   NELECT =      10.0000    total number of electrons
 E-fermi :   0.0000     XC(G=0):  -5.0     alpha+bet : -5.0
  total drift:                                0.000000      0.000000      0.000000
 General timing and accounting informations for this job:
 ========================================================
                  Total CPU time used (sec):      {seconds:.3f}
                            User time (sec):      {seconds:.3f}
                          System time (sec):      0.010
                         Elapsed time (sec):      {seconds:.3f}
                   Maximum memory used (kb):      1000.
                   Average memory used (kb):      0.
"""
    )


def main():
    begin = time.perf_counter()
    tags = read_incar()
    names, counts, symbols, cell, fractions = read_poscar()
    fault = take_fault(cell)
    print(" running on    1 total cores\n vasp.6.3.2 stand-in", flush=True)
    if fault == "crash":
        sys.stderr.write("forrtl: severe (174): SIGSEGV, segmentation fault occurred\n")
        sys.exit(139)
    if fault == "hang":
        time.sleep(600)
    if fault == "disk":
        # what VASP does when a write fails: the run-time library says so, and the files end in the middle
        Path("vasprun.xml").write_text('<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n')
        sys.stderr.write("forrtl: No space left on device\nforrtl: severe (38): error during write, unit 20\n")
        sys.exit(38)
    steps = list(run_steps(tags, symbols, cell, fractions))
    n_electronic = 6
    if fault == "unconverged":
        n_electronic = int(tags.get("NELM", 60))
        steps = [step | {"converges": False} for step in steps]
    parts = [xml_header(tags, names, counts, symbols, cell, fractions, read_mesh(), read_titels())]
    parts += [xml_step(step, n_electronic) for step in steps]
    parts.append(xml_structure(cell, steps[-1]["fractions"], "finalpos") + "\n</modeling>\n")
    text = "\n".join(parts)
    Path("vasprun.xml").write_text(text[: len(text) // 2] if fault == "truncate" else text)
    lines = []
    for number, step in enumerate(steps, start=1):
        lines += [f"DAV: {i:3d}    {step['energy']:.8E}   -0.1E-05   -0.1E-05  10   0.1E-02" for i in range(1, 3)]
        kelvin = 2 * step.get("kinetic", 0) / (3 * len(symbols) * BOLTZMANN_EV_PER_K)
        molecular = f" T= {kelvin:.1f} E= {step.get('total', 0):.8E}" if "kinetic" in step else ""
        lines.append(f"  {number}{molecular} F= {step['energy']:.8E} E0= {step['energy']:.8E}  d E =0.000000E+00")
    Path("OSZICAR").write_text("\n".join(lines) + "\n")
    rows = "\n".join(" ".join(f"{x:.16f}" for x in row) for row in steps[-1]["fractions"])
    vectors = "\n".join(" ".join(f"{x:.16f}" for x in row) for row in cell)
    Path("CONTCAR").write_text(
        f"cell\n1.0\n{vectors}\n{' '.join(names)}\n{' '.join(map(str, counts))}\nDirect\n{rows}\n"
    )
    if tags.get("LWAVE", "F").upper().strip(".")[0] == "T":
        Path("WAVECAR").write_text(f"orbitals of {tags.get('METAGGA', 'GGA')}\n")
    write_outcar(int(tags.get("IBRION", -1)), time.perf_counter() - begin)


if __name__ == "__main__":
    main()
