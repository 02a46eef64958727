"""How the small reference model that disolyte ships was made: ``python -m disolyte.finetuning.reference``.

Consumes nothing but CHGNet's weights; produces ``disolyte-small.npz``, its architecture and its card. It stands beside
the fine-tuning because it trains through the same runner.
"""
