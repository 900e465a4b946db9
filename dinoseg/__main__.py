"""``python -m dinoseg`` is ``dinoseg``."""

from dinoseg.cli import main

if __name__ == "__main__":
    main()
