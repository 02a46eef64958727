# %% [markdown]
# # From laptop to cluster
#
# The flow of the first tutorial and the published one are the same code. What changes is the settings, the models, the
# labels, and where jobs run: VASP instead of CHGNet, MACE-MP-0a instead of the small model, MongoDB and FireWorks
# instead of one process. This tutorial changes them one by one, looks at what it will cost, and writes the files.
# Everything that can be tried without a cluster is run; **nothing is submitted**.
#
# ```{admonition} What is real here
# :class: warning
# The flows below are those of the paper, with its ingredients: MACE-MP-0a (medium) and SCAN by VASP. They are made,
# checked and counted, not run, so there is no result. All costs are rough estimates from stated rates, not
# measurements of your machines. To exercise the path itself, submit `--preset quickstart` first: the same way with the
# small model and surrogate labels, in four to ten minutes, whose numbers would mean nothing.
# ```
#
# ## What to change
#
# | | laptop | cluster |
# |---|---|---|
# | settings | `quickstart_flow_maker()` | `DisorderedElectrolyteFlowMaker()`: the defaults are the published ones |
# | foundation | `disolyte-small` | MACE-MP-0a, looked up in `~/.cache/mace`, downloaded if there is a network |
# | labels | `SurrogateStaticMaker` | `ScanStaticMaker`: VASP, with your POTCARs |
# | device | `cpu` | `cuda` |
# | job store | in memory, or embedded | your MongoDB |
# | jobs | `run_locally` | FireWorks: one queue for each role, `cpu`, `gpu`, `dft` |
#
# Two settings belong to VASP and are atomate2's own: `PMG_VASP_PSP_DIR` in `~/.config/.pmgrc.yaml` (the potentials,
# PBE_54), and `VASP_CMD` in `~/.atomate2.yaml`, such as `srun vasp_std`.

# %%
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

from monty.json import MontyEncoder

from disolyte import DisorderedElectrolyteFlowMaker, MechanismMaker, ModelSource, get_system
from disolyte.errors import DisolyteError
from disolyte.flows.costs import plan_flow, set_device

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("cluster")
FOLDER.mkdir(exist_ok=True)
DISOLYTE = shutil.which("disolyte", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


def command(line):
    """Run a disolyte command as a shell would, and print what it says."""
    print(f"$ {line}")
    words = [DISOLYTE, *line.split()[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "110"})
    print(done.stdout + done.stderr)


# %% [markdown]
# ## What it costs
#
# `disolyte plan` makes the flow, checks that every composition fits its cells, that charges balance and that the
# foundation knows the elements, and tells what would run where. It needs neither VASP nor a GPU nor a database.

# %%
command("disolyte plan liybc")

# %% [markdown]
# Two weeks of DFT on one worker of 64 cores: a day or two on ten. The SCAN labels are the price of the training set,
# and MD for diffusion that of the conductivities, five GPU days for eleven compositions. Some ways to spend less:
#
# - fewer compositions, `-c Li3InCl6 -c Li3InBr6 -c Li3YBr6`: less MD, and as many labels, for their number is set;
# - diffusion of fewer compositions: `diffusion_formulas`;
# - runs that end when the error is small: `MDSchedule(target=ErrorTarget(relative_error=0.1))`;
# - fewer labels: `SamplingMaker(n_wanted=1000)`, and `LearningCurveMaker` to see whether that is enough.
#
# ## The Maker
#
# In Python the same plan is a document. Here the published settings, with the analysis of paths added, and all models
# on GPUs:

# %%
maker = DisorderedElectrolyteFlowMaker()
maker.diffusion_maker.mechanism_maker = MechanismMaker(hub="4h")
set_device(maker, "cuda")

training = maker.training_set_maker
for stage in (training.ranking_maker, training.sampling_maker.sampler, maker.finetune_maker):
    print(f"{type(stage).__name__}: {stage.foundation.name} on {stage.device}")

system = get_system("liybc")
flow = maker.make(system)
plan = plan_flow(flow)
for stage, cost in plan.stage_costs().items():
    print(f"{stage:16s} {cost.n_jobs:6d} jobs, {cost.seconds / 3600:8.1f} h on one worker")

# %% [markdown]
# MACE-MP-0a is looked up by its name. Nodes without a network need its file, and the hash that it must have:
# `ModelSource(name="medium", path=..., sha256=...)` as `foundation` of these three Makers. A wrong path is told at
# once:

# %%
from disolyte.models.sources import find_model_file

try:
    find_model_file(ModelSource(name="medium", path="/models/mace-mp-0a.model"))
except DisolyteError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# Written as JSON, the Maker goes to the commands. Every number of it can be changed in the file, too.

# %%
(FOLDER / "maker.json").write_text(json.dumps(maker.as_dict(), cls=MontyEncoder, indent=1))
command("disolyte plan liybc --maker cluster/maker.json -c Li3InCl6 -c Li3InBr6 -c Li3YBr6")

# %% [markdown]
# **Ready files** for the paper's three systems, with every published number written out, are beside this tutorial:
# {download}`makers.py <paper_scale/makers.py>` writes the JSON of each (`python makers.py nasicon > nasicon.json`),
# and {download}`after.py <paper_scale/after.py>` holds what comes after training: the learning curve, Monte Carlo
# phases of NaSICON, the phases kept out of the training of LPSGO, and training from scratch.
#
# ## Roles and routing
#
# Each job has a role, `cpu`, `gpu` or `dft`, and `assign_workers` turns roles into what your workflow manager
# understands: categories of FireWorks, or workers and resources of jobflow-remote. A role without a worker is refused
# before anything is submitted:

# %%
from disolyte.workers.routing import assign_workers

try:
    assign_workers(flow, {"cpu": {"_category": "cpu"}, "gpu": {"_category": "gpu"}})
except DisolyteError as error:
    print(f"{type(error).__name__}: {error}")

# %%
assign_workers(flow, {role: {"_category": role} for role in ("cpu", "gpu", "dft")})
seen = Counter((type(job.maker).__name__, job.config.manager_config["_category"]) for job, _ in flow.iterflow())
for (maker_name, category), n_jobs in seen.items():
    print(f"{category:4s} {n_jobs:3d} × {maker_name}")

# %% [markdown]
# The single points of VASP are not in the list: `label frames` makes them when the frames exist, and they get `dft`
# then. As a workflow of FireWorks, still unsubmitted:

# %%
from jobflow.managers.fireworks import flow_to_workflow

workflow = flow_to_workflow(flow)
print(f"{len(workflow.fws)} Fireworks; categories: {sorted({str(fw.spec['_category']) for fw in workflow.fws})}")

# %% [markdown]
# ## The run folder
#
# `disolyte init` writes what FireWorks, jobflow and SLURM need. On a cluster that takes a MongoDB which all nodes
# reach: put its URI into `DISOLYTE_MONGODB_URI`, or into a file that only you can read. It is asked at once, and there
# is none here; so this folder, **to look at only**, gets an embedded database, which is enough for one machine and out
# of reach for SLURM's nodes. The files are the same otherwise:

# %%
command(
    "disolyte init cluster/trial --embedded --name liybc --no-input --partition gpu=a100 --partition dft=standard "
    "--account mat01 --walltime dft=2-00:00:00"
)
for file in sorted((FOLDER / "trial").iterdir()):
    print(file.name)

# %% [markdown]
# One queue adapter for each role. `qlaunch` submits workers with it, and each takes jobs of its role until its time is
# nearly up. Edit them as your cluster needs: modules, constraints, MPI.

# %%
print((FOLDER / "trial" / "qadapter_gpu.yaml").read_text())
print((FOLDER / "trial" / "fworker_dft.yaml").read_text())

# %% [markdown]
# ## Submit, watch, rerun
#
# From here on a cluster is needed. `init` comes first: a folder that `submit` makes by itself has no queue adapters.
#
# ```bash
# export DISOLYTE_MONGODB_URI='mongodb://me:secret@db.example.org/lab'
# disolyte init campaign --name liybc --partition gpu=a100 --partition dft=standard --account mat01
# disolyte submit liybc --maker cluster/maker.json --folder campaign     # checks all, then fills the LaunchPad
#
# disolyte work --folder campaign                                        # workers on this machine, or by SLURM:
# cd campaign/launches
# qlaunch -l ../my_launchpad.yaml -w ../fworker_gpu.yaml -q ../qadapter_gpu.yaml rapidfire -m 4
# qlaunch -l ../my_launchpad.yaml -w ../fworker_dft.yaml -q ../qadapter_dft.yaml rapidfire -m 10
# cd ../..
#
# disolyte status --folder campaign       # how far each stage is, what failed and why, how long it will take
# disolyte rerun --folder campaign        # only what failed or was lost; MD and training go on from their checkpoints
# disolyte results --folder campaign      # the table so far
# disolyte report --folder campaign       # figures and trace as one HTML page
# ```
#
# What fails is set aside with its reason, and the rest goes on: a frame whose SCAN does not converge is tried again,
# then left out; a run that melts gives no frames. A stage fails only below a stated share of successes
# (`LabelMaker(minimum_fraction=0.8)`). A worker that was cut off leaves a job that `rerun` finds lost.
#
# With jobflow-remote instead of FireWorks the flow is the same, with its own keys:

# %%
flow = maker.make(system)
assign_workers(
    flow,
    {
        "cpu": {"worker": "login"},
        "gpu": {"worker": "a100", "resources": {"gres": "gpu:1"}},
        "dft": {"worker": "standard", "resources": {"ntasks": 64}},
    },
)
print({str(job.config.manager_config.get("worker")) for job, _ in flow.iterflow()}, "and standard for VASP's")

# %% [markdown]
# ## Before the first long campaign
#
# 1. `disolyte doctor`: what of all this is found on this machine.
# 2. `disolyte submit liybc --preset quickstart --folder trial`: the way to the workers and back, with the small model.
# 3. One SCAN label by hand: `ScanStaticMaker().make(structure)`; look at its INCAR, time and memory.
# 4. `disolyte plan` again, with the rates of your machines in mind.
#
# What to compare the first results with is in the paper: RMSE of 0.6 meV/atom and 19 meV/Å for the halides, all
# compositions within 3 meV/atom of the hull, 0.24 eV for Li3InCl6.
