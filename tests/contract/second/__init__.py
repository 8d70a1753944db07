"""A second, small implementation of the spec: plain WSGI, plain dicts, no import of upsim.

It exists so that the contract suite is not cut to one server's shape: what passes here and on upsim follows from the
spec. Every rule is a method of its own, so that a mutant can override one.
"""
