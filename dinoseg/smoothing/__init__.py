"""Masks of a video that agree from frame to frame: links of patches, motion, a window, numbers, a folder of results."""

from dinoseg.smoothing.stream import VideoSegmenter, segment_video

__all__ = ("VideoSegmenter", "segment_video")
