"""The exact text engine: prompts, packed into chunks and encoded by a frozen causal text tower."""
