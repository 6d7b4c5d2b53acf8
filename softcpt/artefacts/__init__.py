"""Trained prompts on disk: saves, loads and averages them, and exchanges them with the published
codes."""
