"""Few-shot heads: classifiers fitted to the frozen image tower's features, with class names as a
start or a prior."""
