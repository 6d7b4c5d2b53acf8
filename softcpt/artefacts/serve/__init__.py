"""A local page, and an endpoint for scripts, that classify images with a trained prompt."""
