"""Device plug-ins for arms, hands and grippers, motion guard, servo loop and driver node."""
