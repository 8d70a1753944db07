"""Lets `python -m upsim` be the command."""

from upsim.cli import main

main(prog_name="upsim")
