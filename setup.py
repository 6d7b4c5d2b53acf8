"""What pyproject.toml cannot say: three top-level folders that are parts of the package.

In a checkout `trainers/`, `datasets/` and `configs/` are top-level folders, as in every CoOp-family
code base. Installed, they are parts of the package: a top-level `datasets` would stand before
Hugging Face's.
"""

from setuptools import find_packages, setup

FOLDERS = {
    "softcpt.trainers": "trainers",
    "softcpt.datasets": "datasets",
    "softcpt.configs": "configs",
}

setup(
    packages=[*find_packages(include=["softcpt", "softcpt.*"]), *FOLDERS],
    package_dir=FOLDERS,
)
