"""Train the small reference model: ``python -m disolyte.finetuning.reference --out FOLDER [--work FOLDER]``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from disolyte.finetuning.reference.recipe import Recipe, train_reference_model


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m disolyte.finetuning.reference", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for disolyte-small.npz, .json and .md")
    parser.add_argument("--work", type=Path, default=Path("reference-work"), help="folder for data and training runs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train_reference_model(Recipe(), work=arguments.work, out=arguments.out)


if __name__ == "__main__":
    main()
