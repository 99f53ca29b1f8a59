"""The Crosshand graph: launch files, supervisor, lifecycle manager, demo, and pipelines over packages."""
