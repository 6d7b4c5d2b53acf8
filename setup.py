"""Packaging. Every bound says why it is there; upper bounds are left out until something is known
to break."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "softcpt/__init__.py").read_text(encoding="utf-8")
).group(1)

REQUIREMENTS = [
    "torch>=2.6",  # the first whose torch.load(weights_only=True) runs nothing (CVE-2025-32434)
    "torchvision>=0.21",  # the release that belongs to torch 2.6
    "open_clip_torch>=3.0",  # the model code; reads OpenAI's weights; 3.0 has text_eos_id and create_model's cache_dir
    "timm>=1.0",  # image towers of open_clip's configurations, the embedded model's among them
    "safetensors>=0.4.1",  # checkpoints and embedded weights
    "numpy>=1.24",  # numpy.random.Generator with torch's array interface
    "pillow>=10.1",  # has_transparency_data, and a scalable built-in font for contact sheets
    "yacs>=0.1.8",  # config nodes as Dassl has them
    "PyYAML>=6.0",  # reads config files; 6.0 builds on Python 3.10
    "scikit-learn>=1.2",  # macro F1, linear probe
    "scipy>=1.15",  # stats.wilcoxon(method="asymptotic"); the last for Python 3.10
    "tabulate>=0.9",  # tables
    "tqdm>=4.64",  # progress bars with a delay
    "filelock>=3.8",  # one builder per feature-bank entry, one download per file
    "gdown>=5.0",  # Google Drive downloads; older releases fail on today's pages
]
EXTRAS = {
    "tensorboard": ["tensorboard>=2.12"],  # event files beside log.txt
    "kaggle": ["kagglehub>=0.3"],  # data sets on Kaggle, with the user's credentials
    "hdf5": ["h5py>=3.0"],  # PatchCamelyon's files
    "ray": ["ray>=2.9"],  # grid --launcher ray; 2.9 runs on Python 3.11
    "slurm": [
        "submitit>=1.4.5"
    ],  # grid --launcher slurm; its local executor stands in for a cluster in the tests
    "build": [
        "resvg-py>=0.3",
        "transformers>=4.40",
    ],  # tools/build_emoji44.py and build_tiny.py: SVG, MiniLM
    "report": ["matplotlib>=3.6"],  # the report's plots, benchmarks/plot.py
    "test": [
        "pytest>=7.4",
        "pytest-xdist>=3.3",
        "hypothesis>=6.80",
        "matplotlib>=3.6",
        "selenium>=4.10",
        "h5py>=3.0",
        "ruff>=0.14",  # make check
        "mypy>=1.14",  # make check
        "types-PyYAML",
    ],
}


def files_below(folder: str) -> list[str]:
    """Everything in a folder, for package_data."""
    return [
        str(path.relative_to(ROOT / folder))
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]


# In a checkout these are top-level folders, as in every CoOp-family code base. Installed, they are
# parts of the package: a top-level `datasets` would stand before Hugging Face's.
FOLDERS = {
    "softcpt.trainers": "trainers",
    "softcpt.datasets": "datasets",
    "softcpt.configs": "configs",
}

setup(
    name="softcpt",
    version=VERSION,
    description="Multi-task prompt tuning for CLIP-like models: SoftCPT, CoOp and their kin, exact and fast",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["softcpt", "softcpt.*"]) + list(FOLDERS),
    package_dir=FOLDERS,
    package_data={
        "softcpt": [f"assets/{name}" for name in files_below("softcpt/assets")]
        + [
            f"dassl/builtin/{name}"
            for name in files_below("softcpt/dassl/builtin")
            if name.endswith(".py")
        ]
        + ["report/published.json"]
        + [f"report/static/{name}" for name in files_below("softcpt/report/static")],
        "softcpt.configs": files_below("configs"),
    },
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["softcpt=softcpt.cli.main:main"]},
)
