"""CLIP-like models: weight files, towers and pre-processing behind one interface."""
