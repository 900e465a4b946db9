"""Results as files: one file per format, and the folder that holds them."""
