"""Robots as data: URDF, joint order, limits, fingertips, and their kinematics in numpy and torch."""
