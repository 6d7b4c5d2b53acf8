"""What pyproject.toml cannot say: three top-level folders that are parts of the package, and a
description that has no link to a file of the checkout.

In a checkout `trainers/`, `datasets/` and `configs/` are top-level folders, as in every CoOp-family
code base. Installed, they are parts of the package: a top-level `datasets` would stand before
Hugging Face's.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.egg_info import egg_info

FOLDERS = {
    "softcpt.trainers": "trainers",
    "softcpt.datasets": "datasets",
    "softcpt.configs": "configs",
}
README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
CODE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)
# An image or a link whose target is neither an address nor an anchor.
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!#|[a-z]+:)([^)\s]+)\)")


def description(source: str) -> str:
    """README.md for a package index, which shows it far from the files that it links to.

    Args:
        source: address of the repository, of which links then lead to files; empty: links become
            plain words, and images are left out.
    """

    def absolute(match: re.Match[str]) -> str:
        image, words, path = match.groups()
        if source:
            return f"{image}[{words}]({source}/{'raw' if image else 'blob'}/HEAD/{path})"
        return "" if image else words

    parts = CODE.split(README)  # every second one is a block of code
    return "".join(
        part if number % 2 else RELATIVE.sub(absolute, part) for number, part in enumerate(parts)
    )


class DescribedEggInfo(egg_info):
    """Metadata with the description for an index; `Source` in pyproject.toml's [project.urls] is
    the repository."""

    def run(self) -> None:
        """Write the metadata."""
        metadata = self.distribution.metadata
        metadata.long_description = description(metadata.project_urls.get("Source", "").rstrip("/"))
        super().run()


setup(
    packages=[*find_packages(include=["softcpt", "softcpt.*"]), *FOLDERS],
    package_dir=FOLDERS,
    cmdclass={"egg_info": DescribedEggInfo},
    long_description=README,
    long_description_content_type="text/markdown",
)
