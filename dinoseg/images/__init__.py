"""From what a user names to upright 8-bit RGB on the patch grid: find, decode, fit, feed."""
