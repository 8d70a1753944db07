"""Small deviations from the spec, each with the clause it breaks: the suite has to find every one through that clause.

`answers` wraps any WSGI application and changes requests or answers on the way; `rules` swaps out single rules of the
second implementation. `python -m tests.contract.mutants` runs all and prints the table.
"""
