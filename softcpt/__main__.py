"""``python -m softcpt`` is the command ``softcpt``."""

from softcpt.cli import main

main()
