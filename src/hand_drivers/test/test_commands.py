"""How a motion starts."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.chunk import SECOND
from hand_drivers.commands import RampUp


def test_a_ramp_starts_at_its_origin_rises_evenly_and_ends_on_the_target():
    ramp, target, velocity = RampUp(np.zeros(2), 0, 1.0), np.ones(2), np.ones(2)
    found = [ramp.apply(round(share * SECOND), target, velocity)[0][0] for share in np.linspace(0, 1.5, 31)]
    assert found[0] == 0.0 and found[-1] == 1.0
    assert (np.diff(found) >= 0).all()
    assert ramp.apply(2 * SECOND, target, velocity)[1] == pytest.approx(velocity)


def test_a_ramp_without_duration_is_none():
    assert RampUp(np.zeros(1), 0, 0.0).apply(0, np.ones(1), np.ones(1))[0] == 1.0
