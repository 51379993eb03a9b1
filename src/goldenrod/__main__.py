"""`python -m goldenrod`: the command line."""

from goldenrod.cli.main import main

if __name__ == "__main__":
    main()
