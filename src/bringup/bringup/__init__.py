"""The Crosshand graph: stations, launch files, supervisor, lifecycle manager and demo."""
