"""One file per data set; every file here is imported at start and registers its class."""
