"""The command line: one module per sub-command, which reads flags and prints; the work is done
elsewhere."""
