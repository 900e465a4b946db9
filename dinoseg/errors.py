"""One tree of exceptions: each message names the input and the next step, ``reason`` is the manifest's short word."""

from __future__ import annotations


class DinosegError(Exception):
    """Base of everything dinoseg raises on purpose."""

    reason = "error"


# Wrong use or configuration: nothing was touched (exit code 2).


class UsageError(DinosegError):
    """The request itself cannot be carried out; nothing was touched."""

    reason = "usage"


class OptionError(UsageError):
    """An option is unknown, out of range or contradicts another."""

    reason = "option"


class InputNotFound(UsageError):
    """A path, list file or glob that was named is not there."""

    reason = "input_not_found"


class OutputConflict(UsageError):
    """The output folder is in use, foreign, not writable, or holds results of other options."""

    reason = "output_conflict"


class DeviceError(UsageError):
    """The device that was asked for is not here."""

    reason = "device"


class MissingExtra(UsageError):
    """An optional package is needed; the message holds the exact pip line."""

    reason = "missing_extra"


class DatasetError(UsageError):
    """Evaluation data is missing, of another size than its image, or not as its protocol says."""

    reason = "dataset"


class MaskError(DatasetError):
    """A mask cannot be read, is of another size than its picture, or holds no object where one is needed."""

    reason = "mask"


# Weights (exit code 2).


class WeightsError(UsageError):
    """A weight file is missing, broken, or of another network than was asked for."""

    reason = "weights"


class WeightsNotFound(WeightsError):
    """The weights are not on this machine; the message names the command that fetches them."""

    reason = "weights_not_found"


class CorruptWeights(WeightsError):
    """The file is half a download, not a weight file, or another file than its hash says."""

    reason = "corrupt_weights"


class UnsafeWeights(WeightsError):
    """The file asks to run code while loading; it was not loaded."""

    reason = "unsafe_weights"


class WeightsMismatch(WeightsError):
    """Keys or shapes are not those of a Vision Transformer that dinoseg knows."""

    reason = "weights_mismatch"


# One input is bad: that input fails, the others run (exit code 3).


class ImageError(DinosegError):
    """One image cannot be used; the others go on."""

    reason = "image"


class NotAnImage(ImageError):
    """The content is not an image, whatever the suffix says."""

    reason = "not_an_image"


class TruncatedImage(ImageError):
    """The file ends before the picture does."""

    reason = "truncated"


class ImageTooLarge(ImageError):
    """More pixels than ``--max-pixels`` allows."""

    reason = "too_large"


class UnsupportedFormat(ImageError):
    """A known image format that this build does not read."""

    reason = "unsupported_format"


class UnsupportedImage(ImageError):
    """An array or image mode with no defined way to 8-bit RGB."""

    reason = "unsupported_image"


class ImageVanished(ImageError):
    """The file was listed and is gone."""

    reason = "vanished"


class ImageForbidden(ImageError):
    """The file or its folder may not be read."""

    reason = "permission"


class OutsideRoot(ImageError):
    """A listed path leaves the folder it was given under."""

    reason = "outside_root"


class UnreadableVideo(ImageError):
    """The file is no video, is cut short, or is in a codec that OpenCV lacks here."""

    reason = "unreadable_video"


class DamagedFrame(ImageError):
    """A frame of a video file cannot be decoded; others before and after it can."""

    reason = "damaged_frame"


class FrameSize(ImageError):
    """A frame is of another size than the first one of its video."""

    reason = "frame_size"


class NanFeatures(ImageError):
    """The network gave NaN or infinite values for this image, in float32 too."""

    reason = "nan_features"


class NumericalFailure(ImageError):
    """A method's equations could not be solved for this image."""

    reason = "numerical"


class QueryOutside(ImageError):
    """The pixel that was to be the query lies outside of this image."""

    reason = "query_outside"


class ResultLost(ImageError):
    """A file that an earlier run wrote for this image is damaged or gone."""

    reason = "result_lost"


class OutOfMemory(ImageError):
    """The device is too small even for this one image."""

    reason = "oom"


# Training and compression.


class TrainingError(DinosegError):
    """Training cannot start or go on; the message names the last good checkpoint."""

    reason = "training"


class NonFiniteLoss(TrainingError):
    """The loss, or a weight, became NaN or infinite."""

    reason = "non_finite_loss"


class OtherProcessEnded(TrainingError):
    """Another process of a team ended first and says why: this one has nothing to add."""

    reason = "other_process"


class CompressionError(UsageError):
    """This network cannot be compressed (for instance a gated MLP)."""

    reason = "compression"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for one-line messages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
