"""What any room may use: it knows nothing of CLIP, tasks or methods."""
