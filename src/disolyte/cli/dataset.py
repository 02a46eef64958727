"""``disolyte dataset export`` and ``disolyte dataset import``: training data as extended-xyz files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from disolyte.cli.options import QUICKSTART_FOLDER, AsJson
from disolyte.errors import InputError

if TYPE_CHECKING:
    from disolyte.labelling.schema import DatasetDoc, LabelDoc

DEFAULT_OUT = Path("dataset")

Out = Annotated[Path, typer.Option(help="Folder for train.xyz, valid.xyz, test.xyz and dataset.json.")]


def export(
    folder: Annotated[Path, typer.Option(help="Run folder.")] = QUICKSTART_FOLDER,
    out: Out = DEFAULT_OUT,
    as_json: AsJson = False,
) -> None:
    """Write a run's dataset: extended xyz, REF_energy (eV), REF_forces (eV/Å), REF_stress (eV/Å³, tension +)."""
    from disolyte.cli.messages import readable_errors
    from disolyte.cli.session import read_campaign
    from disolyte.labelling.exchange import write_dataset
    from disolyte.results.query import Results

    with readable_errors(), read_campaign(folder) as campaign:
        dataset = Results(campaign.job_store(), campaign.name).dataset(load=True)
        write_dataset(dataset, out)
        _report(dataset, out, as_json=as_json)


def import_(
    sources: Annotated[list[Path], typer.Argument(help="Extended-xyz files, or one folder that export wrote.")],
    out: Out = DEFAULT_OUT,
    method: Annotated[
        str | None,
        typer.Option(help="What made the labels, e.g. 'VASP SCAN, ENCUT 520 eV'; not needed if the frames say it."),
    ] = None,
    energy_key: Annotated[str, typer.Option(help="Name of the energy.")] = "REF_energy",
    forces_key: Annotated[str, typer.Option(help="Name of the forces.")] = "REF_forces",
    stress_key: Annotated[str, typer.Option(help="Name of the stress.")] = "REF_stress",
    energy_unit: Annotated[
        str, typer.Option(help="eV, Ha, Ry, kcal/mol or kJ/mol; forces are per Å, or per bohr for Ha and Ry.")
    ] = "eV",
    stress_unit: Annotated[str, typer.Option(help="eV/A^3, GPa or kbar.")] = "eV/A^3",
    pressure: Annotated[
        bool, typer.Option("--pressure", help="Stress is positive under compression (VASP's).")
    ] = False,
    per_atom: Annotated[bool, typer.Option("--per-atom", help="Energies are per atom, not per cell.")] = False,
    surrogate: Annotated[bool, typer.Option("--surrogate", help="Labels come from a model, not from DFT.")] = False,
    skip_consistency: Annotated[
        bool, typer.Option("--skip-consistency", help="Take forces and stresses that do not fit the energies.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Check labelled frames of your own, split them by family, and write the dataset."""
    from disolyte.cli.messages import readable_errors
    from disolyte.labelling.exchange import MANIFEST, read_dataset, write_dataset
    from disolyte.labelling.label_files import LabelKeys, parse_units, read_labels

    with readable_errors():
        if len(sources) == 1 and (sources[0] / MANIFEST).is_file():
            dataset = read_dataset(sources[0])
        else:
            if any(source.is_dir() for source in sources):
                raise InputError(f"a folder without {MANIFEST} is no exported dataset; give the files in it by name")
            energy, stress = parse_units(energy_unit, stress_unit)
            keys = LabelKeys(
                energy=energy_key,
                forces=forces_key,
                stress=stress_key,
                energy_unit=energy,
                stress_unit=stress,
                stress_is_pressure=pressure,
                energy_per_atom=per_atom,
            )
            record: dict[str, Any] = {"caveats": ["labels from a surrogate model, not from DFT"]} if surrogate else {}
            labels = read_labels(sources, keys, label_method=method, is_surrogate=surrogate, record=record)
            dataset = _build(labels, seed=seed, checks_consistency=not skip_consistency)
        write_dataset(dataset, out)
        _report(dataset, out, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the group ``dataset`` to an application."""
    group = typer.Typer(help="Training data as files.", no_args_is_help=True)
    group.command("export")(export)
    group.command("import")(import_)
    app.add_typer(group, name="dataset")


def _build(labels: list[LabelDoc], *, seed: int, checks_consistency: bool) -> DatasetDoc:
    from disolyte.labelling.dataset import build_dataset
    from disolyte.labelling.quality import QualityGate
    from disolyte.labelling.splits import SplitFractions
    from disolyte.provenance import Provenance, merge_caveats

    provenance = Provenance(dir_name=str(Path.cwd()), seed=seed, inputs=[document.as_input() for document in labels])
    return build_dataset(
        labels,
        gate=QualityGate(checks_consistency=checks_consistency),
        fractions=SplitFractions(),
        minimum_fraction=0.8,
        seed=seed,
        record={"provenance": provenance, "caveats": merge_caveats(labels)},
    )


def _report(dataset: DatasetDoc, out: Path, *, as_json: bool) -> None:
    result: dict[str, Any] = {
        "folder": str(out),
        "label_method": dataset.label_method,
        "n_train": dataset.n_train,
        "n_valid": dataset.n_valid,
        "n_test": dataset.n_test,
        "elements": dataset.elements,
        "quarantine": dict(Counter(item.kind.value for item in dataset.quarantine).most_common()),
        "caveats": dataset.caveats,
        "dataset_sha256": dataset.dataset_sha256,
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    result["elements"] = " ".join(dataset.elements)
    result["quarantine"] = ", ".join(f"{n} {kind}" for kind, n in result["quarantine"].items()) or "none"
    result["caveats"] = "; ".join(dataset.caveats) or "none"
    for key, value in result.items():
        typer.echo(f"{key.replace('_', ' '):>15}  {value}")
