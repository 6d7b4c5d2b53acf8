"""``python tools/lock.py test > requirements/ci.lock``: the installed version of every package that
softcpt[test] needs, directly or through others, as a constraint for pip."""

from __future__ import annotations

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def main(extras: list[str]) -> None:
    found: dict[str, str] = {}
    wanted = [Requirement(f"softcpt[{','.join(extras)}]")]
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in metadata.requires(name) or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    wanted.append(needed)
        # Without "+cpu": that is an index's own build of the same release.
        found[name] = metadata.version(name).partition("+")[0]
    del found["softcpt"]
    # Of torch's builds for GPUs, which a machine without one does not install.
    kept = {name: version for name, version in found.items() if not _of_gpu(name)}
    print("# Python 3.11, by tools/lock.py; .github/workflows/tests.yml says who uses it.")
    print("\n".join(f"{name}=={version}" for name, version in sorted(kept.items())))


def _of_gpu(name: str) -> bool:
    return name.startswith(("nvidia-", "cuda-")) or name == "triton"


if __name__ == "__main__":
    main(sys.argv[1:])
