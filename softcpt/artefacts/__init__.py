"""A trained prompt on disk: saved, loaded, averaged, and exchanged with the published codes."""
