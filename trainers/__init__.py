"""One file per method; every file here is imported at start and registers its trainer."""
