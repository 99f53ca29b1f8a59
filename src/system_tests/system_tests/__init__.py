"""The whole graph under load and under faults, and its parsers under random input."""
