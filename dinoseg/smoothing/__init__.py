"""Masks of a video that agree from frame to frame: links of patches, motion, a window, numbers, a folder of results."""
