"""From the MD of one composition to its :class:`~disolyte.diffusion.schema.MechanismDoc`."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymatgen.core import Structure

from disolyte.blobs import Blob
from disolyte.diffusion.displacements import MIN_FRAMES
from disolyte.diffusion.mechanism import Mechanism, analyse_mechanism
from disolyte.diffusion.rdf import radial_distributions
from disolyte.diffusion.schema import (
    DiffusionMDDoc,
    MechanismDoc,
    PathRecord,
    RunFrames,
    SiteRecord,
    TemperatureMechanism,
)
from disolyte.diffusion.sites import HostSites, place_host
from disolyte.errors import TransportError


def describe_mechanism(
    md: DiffusionMDDoc, host: Structure | None, hub: str | None, fields: dict[str, Any], seed: int
) -> MechanismDoc:
    """Find sites, jumps and paths at every temperature whose runs were completed.

    Parameters
    ----------
    md
        MD of one composition.
    host
        Structure with all positions of the mobile ion; the simulated ordering itself if None.
    hub
        Kind of site between whose visits ways are counted; the busiest if None.
    fields
        ``uuid``, ``caveats`` and ``provenance`` of the document.
    seed
        Seed of resampling.

    Raises
    ------
    TransportError
        If no run was completed.
    StructureError
        If host and simulated cell do not match.
    """
    host = ordering_of(md) if host is None else host
    sites = place_host(host, md.supercell, md.mobile.element)
    found, left_out = [], []
    for temperature_k in sorted({run.record.temperature_k for run in md.runs}):
        runs = [run for run in md.runs if run.record.temperature_k == temperature_k]
        usable = [run for run in runs if run.record.verdict.completed and run.record.n_frames >= MIN_FRAMES]
        if usable:
            found.append(_one_temperature(md, usable, sites, hub, seed))
        else:
            verdict = runs[0].record.verdict
            left_out.append(f"{temperature_k:g} K is left out: MD stopped at step {verdict.step}: {verdict.reason}")
    if not found:
        raise TransportError(f"no run of {md.formula} was completed: {'; '.join(left_out)}")
    return MechanismDoc(
        **fields,
        point=md.point,
        formula=md.formula,
        phase=md.phase,
        mobile=md.mobile,
        host=host,
        temperatures=found,
        left_out=left_out,
        model=md.model,
    )


def ordering_of(md: DiffusionMDDoc) -> Structure:
    """The structure that was repeated to make the simulated cell."""
    repeats = np.array(md.supercell_size)
    fractional = md.supercell.frac_coords * repeats
    first = (np.floor(np.round(fractional, 6)) == 0).all(axis=1)
    symbols = [site.specie.symbol for site, is_first in zip(md.supercell, first, strict=True) if is_first]
    return Structure(md.supercell.lattice.matrix / repeats[:, None], symbols, fractional[first])


def _one_temperature(
    md: DiffusionMDDoc, runs: list[RunFrames], host: HostSites, hub: str | None, seed: int
) -> TemperatureMechanism:
    positions = [run.positions_ang.to_array() for run in runs]
    species = [site.specie.symbol for site in md.supercell]
    lattice, record = md.supercell.lattice.matrix, runs[0].record
    mechanism = analyse_mechanism(
        positions,
        species,
        lattice,
        host,
        mobile=md.mobile.element,
        frame_interval_fs=record.frame_interval_fs,
        temperature_k=record.temperature_k,
        hub=hub,
        seed=seed,
    )
    rdf = radial_distributions(positions, species, lattice, mobile=md.mobile.element)
    return TemperatureMechanism(
        temperature_k=record.temperature_k,
        n_ions=mechanism.jumps.n_ions,
        time_ps=mechanism.jumps.time_ps,
        lattice_ang=mechanism.density.lattice_ang.tolist(),
        density=Blob.from_array(mechanism.density.density_per_ang3.astype(np.float32)),
        share_above_isosurface=mechanism.density.share_above(),
        sites=_site_records(mechanism),
        unvisited=list(mechanism.sites.unvisited),
        rates=mechanism.rates,
        residences=mechanism.residences,
        concert=mechanism.concert,
        hub=mechanism.hub,
        passages=mechanism.passages,
        paths=_path_records(mechanism),
        rdf=Blob.from_array(np.stack([rdf.distance_ang, *rdf.g.values()])),
        rdf_elements=list(rdf.g),
    )


def _site_records(mechanism: Mechanism) -> list[SiteRecord]:
    sites = mechanism.sites
    return [
        SiteRecord(label=label, fractional=(float(x), float(y), float(z)), occupancy=float(occupancy))
        for label, (x, y, z), occupancy in zip(sites.labels, sites.fractional, sites.occupancy, strict=True)
    ]


def _path_records(mechanism: Mechanism) -> list[PathRecord]:
    return [
        PathRecord(
            axis="abc"[path.axis],
            labels=[mechanism.sites.labels[site] for site in path.basins],
            sites=list(path.basins),
            winding=path.winding,
            barrier_ev=path.barrier_ev,
            barrier_std_ev=path.barrier_std_ev if np.isfinite(path.barrier_std_ev) else None,
        )
        for path in mechanism.paths
    ]
