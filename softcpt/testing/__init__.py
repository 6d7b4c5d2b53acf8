"""Holds what tests and benchmarks share: naive statements of the towers, and random CLIP models."""
