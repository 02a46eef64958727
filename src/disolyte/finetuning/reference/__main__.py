"""Train a reference model: ``python -m disolyte.finetuning.reference --model NAME --out FOLDER [--work FOLDER]``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from disolyte.finetuning.reference.recipe import RECIPES, train_reference_model


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m disolyte.finetuning.reference", description=__doc__)
    parser.add_argument("--model", choices=list(RECIPES), default="small", help="which of the shipped models")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, architecture and card")
    parser.add_argument("--work", type=Path, help="folder for data and training runs (default: reference-MODEL)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    work = arguments.work or Path(f"reference-{arguments.model}")
    train_reference_model(RECIPES[arguments.model], work=work, out=arguments.out)


if __name__ == "__main__":
    main()
