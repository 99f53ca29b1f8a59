"""A robot of the registry from a URDF file."""
