"""Folders of data sets that tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A root for :func:`layouts.built`."""
    return tmp_path_factory.mktemp("data")
