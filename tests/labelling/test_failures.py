"""One kind and one sentence for each way in which a run can fail."""

import errno
import json

import pytest

from disolyte.errors import InputError
from disolyte.labelling.failures import diagnose


def custodian(errors):
    return json.dumps([{"corrections": [{"errors": [name], "actions": None} for name in errors]}])


@pytest.mark.parametrize(
    ("files", "error", "kind", "words"),
    [
        ({}, OSError(errno.ENOSPC, "No space left on device"), "disk full", "the disk was full"),
        ({"std_err.txt": "forrtl: Disk quota exceeded"}, ValueError("?"), "disk full", "the disk was full"),
        ({}, InputError("the POTCAR of Li is another"), "calculation failed", "the POTCAR of Li is another"),
        ({"custodian.json": custodian(["Frozen job"])}, RuntimeError(), "timed out", "Frozen job"),
        ({"custodian.json": custodian(["brmix", "Walltime reached"])}, RuntimeError(), "timed out", "Walltime reached"),
        (
            {"custodian.json": custodian(["Unconverged", "Unconverged"]), "vasprun.xml": "<modeling>"},
            RuntimeError(),
            "electronic steps not converged",
            "Unconverged",
        ),
        ({"std_err.txt": "x\nsevere (174): SIGSEGV\ny"}, ValueError(), "calculation failed", "severe (174): SIGSEGV"),
        ({"vasprun.xml": "<mode"}, ValueError("no end\nof tag"), "incomplete output", "(ValueError: no end)"),
        ({}, FileNotFoundError("vasp_std"), "calculation failed", "left no vasprun.xml (FileNotFoundError: vasp_std)"),
        ({"custodian.json": "{broken"}, ValueError("x"), "calculation failed", "left no vasprun.xml"),
    ],
)
def test_kinds(tmp_path, files, error, kind, words):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    failure = diagnose(error, tmp_path)
    assert failure.kind.value == kind
    assert words in failure.reason
    assert failure.reason.endswith(f":{tmp_path}")


def test_a_full_disk_is_found_behind_other_errors(tmp_path):
    error = RuntimeError("cannot zip the folder")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert diagnose(error, tmp_path).kind.value == "disk full"
