"""The ROS-free ground of all packages: stations, bundles, latent axes, files, plug-ins, latency."""
