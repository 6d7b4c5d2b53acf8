"""``python -m softcpt`` is the command ``softcpt``."""

from softcpt.cli.main import main

main()
