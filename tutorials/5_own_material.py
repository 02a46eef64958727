# %% [markdown]
# # Your own material
#
# From an experimental CIF with partial occupancies to a system that every command and Maker of disolyte takes, with
# the errors that one meets on the way. Nothing here needs a workflow; the last cells rank a few orderings with a
# model.
#
# The material is an argyrodite, Li6PS5Cl(1-x)Br(x). In its cubic cell lithium moves within pairs of half-filled sites,
# and the two halogens share a site: what refinements of solid electrolytes look like.
#
# ```{admonition} What is real here, and what stands in
# :class: warning
# The CIFs below are **like** those of the literature, not copies: cell edges as measured (Kraft et al., J. Am. Chem.
# Soc. 139, 10909, 2017), positions rounded, all halogen on one site although experiment finds part of it on that of
# sulphur. The energies in the last section come from `disolyte-broad`, a small reference model that learnt from
# CHGNet: **not the material's**. For science: the CIF of your sample, MACE-MP-0a, SCAN.
# ```

# %%
import warnings
from pathlib import Path

from disolyte import DisorderedSystem, OrderingSpace
from disolyte.errors import DisolyteError
from disolyte.systems import disordered_structure
from disolyte.systems.exclusions import find_exclusions

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("own-material")
FOLDER.mkdir(exist_ok=True)


def attempt(action, *arguments, **settings):
    """Do something that is expected to be refused, and print the message."""
    try:
        action(*arguments, **settings)
    except DisolyteError as error:
        print(f"{type(error).__name__}: {error}")
    else:
        raise SystemExit("this was expected to be refused")


def show(figure, name):
    """Write a figure to a file, for scripts, and hand it on, for notebooks."""
    figure.savefig(FOLDER / f"{name}.png")
    return figure


# %% [markdown]
# ## The CIF

# %%
CIF = """\
data_argyrodite
_symmetry_space_group_name_H-M   'F -4 3 m'
_symmetry_Int_Tables_number   216
_cell_length_a   {edge}
_cell_length_b   {edge}
_cell_length_c   {edge}
_cell_angle_alpha   90
_cell_angle_beta   90
_cell_angle_gamma   90
loop_
 _atom_site_label
 _atom_site_type_symbol
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Li1  Li  0.183  0.183  0.024  {lithium}
  P1   P   0.0    0.0    0.5    1.0
  S1   S   0.25   0.25   0.25   1.0
  S2   S   0.1195 0.8805 0.6195 1.0
{halogens}
"""
chloride = FOLDER / "chloride.cif"
chloride.write_text(CIF.format(edge=9.859, lithium=0.48, halogens="  Cl1  Cl  0.0  0.0  0.0  1.0"))
print(chloride.read_text())

# %% [markdown]
# ## First attempt: charges
#
# Orderings are ranked by electrostatics, and every composition must be neutral. So disolyte wants an oxidation state
# for each element. It takes those that a CIF states, by `_atom_type_oxidation_number` or in type symbols such as `P5+`.
# Most state none:

# %%
attempt(DisorderedSystem.from_disordered_structure, chloride, mobile_ion="Li")

# %%
STATES = {"Li": 1, "P": 5, "S": -2, "Cl": -1, "Br": -1}
attempt(DisorderedSystem.from_disordered_structure, chloride, mobile_ion="Li", oxidation_states=STATES)

# %% [markdown]
# The refinement says 0.48 lithium on each site, and charge balance asks for 0.5. disolyte does not guess which of the
# numbers is off. Correct the file where you know better, or raise `charge_tolerance_e` where you mean it. Here the
# refined occupancy was rounded:

# %%
chloride.write_text(CIF.format(edge=9.859, lithium=0.5, halogens="  Cl1  Cl  0.0  0.0  0.0  1.0"))
system = DisorderedSystem.from_disordered_structure(chloride, mobile_ion="Li", oxidation_states=STATES)
(point,) = system.points()
print(f"{point.formula}: {system.formula_units_per_cell} formula units per cell")

# %% [markdown]
# ## Second attempt: sites that cannot both be filled
#
# It is accepted, but look at the distances. Two half-filled lithium sites are 1.9 Å apart: one ion that moves between
# two places. Orderings that fill both are no structures.

# %%
for exclusion in find_exclusions(disordered_structure(system, point)):
    print(exclusion)
space = OrderingSpace.from_structure(disordered_structure(system, point))
print(f"{space.n_raw:.3g} ways to fill the cell, {space.n_distinct:.3g} distinct: nearly all of them nonsense")

# %% [markdown]
# `merge_within_ang` makes one site of the two, between them. Too generous a distance is refused, for it would merge
# sites of different ions:

# %%
attempt(
    DisorderedSystem.from_disordered_structure,
    chloride,
    mobile_ion="Li",
    oxidation_states=STATES,
    merge_within_ang=3.0,
)

# %% [markdown]
# Merged as meant, the sites are full, and nothing is left to order: Li6PS5Cl by itself has one structure on them. The
# disorder that matters here is that of the halogens. What merging loses is which of its two places an ion
# takes: it starts between them, and a relaxation or MD has to move it. Without merging, the orderings of lowest
# electrostatic energy fill no pair twice, but random and unlike ones (`n_diverse`) do.

# %%
attempt(
    DisorderedSystem.from_disordered_structure,
    chloride,
    mobile_ion="Li",
    oxidation_states=STATES,
    merge_within_ang=2.0,
)

# %% [markdown]
# ## One composition from a CIF
#
# A refined mixed crystal is a system of one composition. A cell with four halogen sites cannot hold every share:

# %%
mixed = FOLDER / "mixed.cif"
mixed.write_text(
    CIF.format(edge=9.92, lithium=0.5, halogens="  Cl1  Cl  0.0  0.0  0.0  0.6\n  Br1  Br  0.0  0.0  0.0  0.4")
)
system = DisorderedSystem.from_disordered_structure(
    mixed, mobile_ion="Li", oxidation_states=STATES, merge_within_ang=2.0
)
structure = disordered_structure(system, system.points()[0])
attempt(OrderingSpace.from_structure, structure)

# %% [markdown]
# Take a supercell that holds the composition, or let disolyte take the nearest that the small cell holds. It never
# does so silently, for that is another composition. Where lithium is rounded, the charge changes with it: of the
# roundings, the nearest neutral one is taken.

# %%
exact = OrderingSpace.from_structure(structure, supercell=(1, 1, 5))
print(f"1×1×5: {exact.n_raw} ways, {exact.n_distinct} distinct")
nearest = OrderingSpace.from_structure(structure, rounding="nearest")
print(f"1×1×1: {nearest.n_raw} ways, {nearest.n_distinct} distinct;", *nearest.occupancy_changes)

# %% [markdown]
# One distinct ordering is too few for the flow: training, validation and test take structures of their own, so that a
# system needs at least three orderings in all, and better dozens. Take a larger cell (`--supercell 1 1 5`), or more
# compositions.
#
# ## The whole series as a YAML file
#
# A hull needs more than one composition. Two CIFs, one for each end member, and a grid between them make a system of a
# dozen lines; cells and positions are interpolated. Without `grid` and `end_members` a file is a system of one
# composition, with the disorder of its CIF or of `occupancies` that are numbers (`X: {Cl: 0.5, Br: 0.5}`). Such a file
# is easily mistyped, and each mistake is told with its line:

# %%
(FOLDER / "chloride.cif").write_text(CIF.format(edge=9.859, lithium=0.5, halogens="  Cl1  Cl  0.0  0.0  0.0  1.0"))
(FOLDER / "bromide.cif").write_text(CIF.format(edge=9.986, lithium=0.5, halogens="  Br1  Br  0.0  0.0  0.0  1.0"))

YAML = """\
title: Li6PS5Cl(1-x)Br(x)
mobile_ion: Li
oxidation_states: {Li: 1, P: 5, S: -2, Cl: -1, Br: -1}
parents:
  - cif: chloride.cif
    sublattices: {Cl1: X}      # the two halogens share a site: one name for both
    merge_within_ang: 2
  - cif: bromide.cif
    sublattices: {Br1: X}
    merge_within_ang: 2
occupancies:
  X: {Cl: 1 - x, Br: x}
grid: {x: [0, 0.25, 0.5, 0.75, 1]}
end_members: [{x: 0}, {x: 1}]
supercells: [[1, 1, 1], [1, 1, 2]]
references: ["cells: Kraft et al., J. Am. Chem. Soc. 139, 10909 (2017), doi:10.1021/jacs.7b06327"]
caveats: ["positions are rounded; all halogen on 4a"]
"""
file = FOLDER / "argyrodite.yaml"


def attempt_yaml(old, new):
    """Read the file with one change."""
    print(f"{old!r} -> {new!r}")
    file.write_text(YAML.replace(old, new))
    attempt(DisorderedSystem.from_yaml, file)
    print()


attempt_yaml("mobile_ion", "mobil_ion")
attempt_yaml("{Br1: X}", "{Br7: X}")
attempt_yaml("{Br1: X}", "{Br1: Y}")
attempt_yaml("1 - x, Br: x", "1 - x, Br: 2*x")
attempt_yaml("end_members: [{x: 0}", "end_members: [{x: 0.5}")

# %% [markdown]
# Without mistakes:

# %%
file.write_text(YAML)
system = DisorderedSystem.from_yaml(file)
for point in system.points():
    counts = [
        OrderingSpace.from_structure(disordered_structure(system, point), supercell=supercell, allow_ordered=True)
        for supercell in system.supercells
    ]
    numbers = ", ".join(
        f"{'×'.join(map(str, s))}: {c.n_distinct}" for s, c in zip(system.supercells, counts, strict=True)
    )
    print(f"{point.formula:22s} distinct orderings by cell: {numbers}")

# %% [markdown]
# The command line says the same of any YAML file or CIF, and counts what is to come:
#
# ```bash
# disolyte systems show own-material/argyrodite.yaml
# disolyte plan own-material/argyrodite.yaml
# disolyte plan own-material/argyrodite.yaml --preset quickstart --model disolyte-broad   # the miniature
# ```
#
# ## Into the flow
#
# A system is what the flow takes. The foundation must know its elements; a wrong one is refused before there is a job:

# %%
from disolyte import DisorderedElectrolyteFlowMaker, ModelSource
from disolyte.flows.costs import plan_flow

maker = DisorderedElectrolyteFlowMaker()
maker.training_set_maker.ranking_maker.foundation = ModelSource(name="disolyte-small")
attempt(maker.make, system)

# %%
flow = DisorderedElectrolyteFlowMaker().make(system)
for jobs in plan_flow(flow).jobs:
    print(f"{jobs.name:24s} {jobs.role:4s} {'about ' if jobs.is_estimate else ''}{jobs.n_jobs}")

# %% [markdown]
# That is the published protocol, with VASP. To see that the system is sound, a ranking with a shipped model will do:
# enumerate, rank, hull.

# %%
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte import EnumerationMaker, HullSelectionMaker, RankingMaker, Results
from disolyte.plots import plot_hull

broad = ModelSource(name="disolyte-broad")
jobs, rankings = [], []
for point in system.points():
    enumeration = EnumerationMaker(n_lowest=10, n_diverse=0).make(
        disordered_structure(system, point), point=point, supercells=[(1, 1, 1)], system_key=system.key
    )
    ranking = RankingMaker(foundation=broad).make(enumeration.output)
    jobs += [enumeration, ranking]
    rankings.append(ranking.output)
select = HullSelectionMaker(n_select=5).make(rankings, [point.formula for point in system.end_member_points()])

store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
run_locally(
    Flow([*jobs, select]),
    store=store,
    create_folders=True,
    root_dir=FOLDER / "jobs",
    ensure_success=True,
    log=False,
)
selection = Results(store).selection()
show(plot_hull(selection), "hull")

# %% [markdown]
# Formation energies of a few meV/atom, of unrelaxed cells, from a small model: the sign of the mixing enthalpy is not
# to be read off this. The figure says that the system runs. With the published ingredients ([From laptop to
# cluster](6_laptop_to_cluster.py)) the cells would be relaxed, lithium would choose its places, and the energies would
# come from a model that learnt SCAN.
#
# ## Checklist for a CIF
#
# - Origin and setting alike in all end members: disolyte matches sites and refuses what does not fit.
# - Occupancies that balance the charge; `charge_tolerance_e` for rounded ones.
# - Split positions: `disolyte systems show` names pairs closer than 2 Å; merge them.
# - Sites that share ions: one sublattice name for them, as for 4g and 4h of the halides:
#   `sublattices: {Li1: Li, Li2: Li}`. A site that ions share has a label for each in the CIF; any of them names it.
# - A supercell for each composition, and three distinct orderings in all; `disolyte plan` refuses what none holds.
# - The formula unit, which Boltzmann weights go by: as many in a cell as the CIF states (`_cell_formula_units_Z`), or
#   as its numbers of atoms have in common, 4 here; in a YAML file `formula_units_per_cell` says otherwise.
# - References and caveats into the file: documents and figures inherit the caveats.
