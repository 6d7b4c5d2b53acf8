"""Files that are damaged, and disks that fail."""
