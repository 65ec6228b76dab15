"""Run the command line: ``python -m segrepro``."""

from segrepro.cli import main

if __name__ == "__main__":
    main()
