"""The ROS layer that all nodes share: lifecycle, main function, parameters, messages, diagnostics, log."""
