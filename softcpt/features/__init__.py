"""Image features: images are read, encoded once per view, and kept on disk."""
