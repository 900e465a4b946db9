"""One file for each protocol: what is compared, how it is averaged, and who defined it."""
