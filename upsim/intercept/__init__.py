"""A program's calls to the real service, led to a simulator: by its environment alone, the program unchanged.

Knows the environment, HTTP's CONNECT and certificates; nothing of worlds, stores or the simulator.
"""
