"""The thin ROS layer all nodes share: parameters, messages, latency, diagnostics, lifecycle."""
