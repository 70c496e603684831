"""`python -m unstained`: the command line."""

from unstained.cli import main

if __name__ == "__main__":
    main()
