"""What strangers may send: damaged frames and random messages; `./ws bench fuzz`."""
