"""Datasets as files: extended xyz out and in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from disolyte.blobs import Blob
from disolyte.errors import DatasetError
from disolyte.labelling.dataset import SPLITS, assemble_dataset
from disolyte.labelling.label_files import read_labelled_frames
from disolyte.labelling.schema import DatasetDoc

MANIFEST: Final = "dataset.json"


def write_dataset(dataset: DatasetDoc, directory: Path | str) -> list[Path]:
    """Write ``train.xyz``, ``valid.xyz``, ``test.xyz`` and ``dataset.json``; :func:`read_dataset` reads them back.

    Parameters
    ----------
    dataset
        The dataset.
    directory
        Folder, made if there is none.

    Returns
    -------
    list of Path
        The files.
    """
    files = list(dataset.write(directory).values())
    manifest = dataset.model_dump(mode="json", exclude={"train", "valid", "test"})
    file = Path(directory) / MANIFEST
    file.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return [*files, file]


def read_dataset(directory: Path | str) -> DatasetDoc:
    """Read what :func:`write_dataset` wrote: the same dataset, of the same hash.

    Raises
    ------
    DatasetError
        If files are missing or do not match the recorded hash.
    """
    directory = Path(directory)
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        contents = {split: (directory / f"{split}.xyz").read_bytes() for split in SPLITS}
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{directory} holds no exported dataset ({error}); it needs {MANIFEST} and one .xyz file per split"
        ) from error
    blobs = {split: Blob.from_bytes(content) for split, content in contents.items()}
    try:
        recorded = DatasetDoc.model_validate({**manifest, **blobs})
    except ValidationError as error:
        raise DatasetError(f"{directory / MANIFEST} is no dataset: {str(error).splitlines()[2].strip()}") from error
    splits = {split: read_labelled_frames([directory / f"{split}.xyz"]) for split in SPLITS}
    labelled = {split: [frame for frame, _ in found] for split, found in splits.items()}
    dataset = assemble_dataset(
        labelled,
        label_method=recorded.label_method,
        is_surrogate=recorded.is_surrogate,
        quarantine=recorded.quarantine,
        record={name: getattr(recorded, name) for name in ("uuid", "caveats", "provenance", "consistency")},
    )
    if dataset.dataset_sha256 != recorded.dataset_sha256:
        raise DatasetError(
            f"the files in {directory} are not the exported ones: their hash is {dataset.dataset_sha256[:12]}…, "
            f"recorded is {recorded.dataset_sha256[:12]}…; export again, or import them as labels of your own"
        )
    return dataset
