"""`python -m interp.cli`, the form that torchrun starts."""

from interp.cli.main import main

main()
