"""`python -m upsim_contract` does what `upsim contract` does, where only the suite is at hand."""

from .cli import contract

if __name__ == "__main__":
    contract(prog_name="contract")
