"""One world for all tests of a module (building one takes a fraction of a second), at its start for each."""

import os
import sys
from pathlib import Path

import pytest

os.environ.pop("CROSSHAND_EMBODIMENTS", None)  # tests are of the robots of the workspace, not of a user's own
sys.path.insert(0, str(Path(__file__).parent))  # for `worlds`

from worlds import make_world  # noqa: E402


@pytest.fixture(scope="module")
def shared_world():
    return make_world()


@pytest.fixture
def world(shared_world):
    shared_world.reset()
    return shared_world
