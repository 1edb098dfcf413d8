"""`python -m goldenami` is `goldenami`."""

from goldenami.cli import main

if __name__ == "__main__":
    main()
