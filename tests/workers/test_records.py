"""What a running job knows of itself."""

import shutil

import pytest

from disolyte.workers.records import take_over


def test_folder_is_taken_over_whole_or_not_at_all(clean_dir, monkeypatch):
    origin = clean_dir / "killed" / "training"
    origin.mkdir(parents=True)
    for name in ("a", "b"):
        (origin / name).write_text(name)

    def cut_off(source, target):
        target.mkdir()
        shutil.copy(source / "a", target)
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", cut_off)
        with pytest.raises(OSError, match="no space"):
            take_over(f"host:{clean_dir / 'killed'}", "training")
    assert not (clean_dir / "training").exists()

    folder = take_over(f"host:{clean_dir / 'killed'}", "training")
    assert {path.name for path in folder.iterdir()} == {"a", "b"}
    assert not list(clean_dir.glob(".training*"))
