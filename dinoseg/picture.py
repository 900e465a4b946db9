"""One photograph in, one picture out: the road without a folder of results."""

from __future__ import annotations

from dinoseg.atomic import atomic_write
from dinoseg.images.decode import as_source
from dinoseg.options import OutputOptions, SegmentOptions, SelectOptions
from dinoseg.outputs import split_formats
from dinoseg.outputs.backdrop import make_backdrop
from dinoseg.outputs.format import Scene
from dinoseg.outputs.picture import PIPE, picture_options
from dinoseg.pipeline import Segmenter, selected
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Image


def segment_picture(
    image: Image, options: SegmentOptions, output: OutputOptions, select: SelectOptions | None = None
) -> tuple[Segmentation, bytes]:
    """The objects of one photograph, and their picture as an encoded file, which is written to ``output.output``.

    For ``-`` nothing is written. Without an object the picture is empty. Raises ``UsageError`` before the network is
    loaded, ``ImageError`` for a photograph that cannot be read, and ``OSError`` for a file that cannot be written.
    """
    output = picture_options(output)
    (result,) = Segmenter.of(options).run([as_source(image)])
    result = selected(result, select or SelectOptions())
    if isinstance(result, Failure):
        raise result.error
    scene = Scene(result.segmentation, result.photo, result.soft, make_backdrop(output.background), output)
    (format_,) = split_formats(output.formats)[0].values()
    content = format_.encode(scene) or b""
    if output.output != PIPE:
        output.output.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(output.output) as file:
            file.write(content)
    return result.segmentation, content
