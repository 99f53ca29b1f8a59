"""Devices that are not there: each speaks its wire's protocol, its joints follow with a lag, and it can be faulty."""
