"""Runs: configuration, batches, the Dassl trainer, evaluation and results."""
