"""`python -m chatlab` is the same as the `chatlab` command."""

from chatlab.cli.app import main

if __name__ == "__main__":
    main()
