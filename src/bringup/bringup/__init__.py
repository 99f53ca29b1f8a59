"""The Crosshand graph: launch files, supervisor, lifecycle manager and demo."""
