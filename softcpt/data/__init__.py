"""Data sets on disk: where their files come from, how folders become tasks, how tasks merge."""
