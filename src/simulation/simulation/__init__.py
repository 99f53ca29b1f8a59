"""The MuJoCo world of a station: tasks, demonstrators, simulated devices and cameras, evaluation."""
