"""Fuzzing with damaged frames and random messages; `./ws bench fuzz`."""
