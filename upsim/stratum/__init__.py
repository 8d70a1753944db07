"""Stratum, both sides of it: simulated pools, and the pool tester and synthetic miners that speak to anyone's."""
