"""Limits on what is read, decided from headers before anything is decoded."""

from typing import Final

from endplate.errors import UnreadableImage

__all__ = ["MAX_DECODED_BYTES", "MAX_FILE_BYTES", "MAX_PIXELS", "MIN_SIDE_PX", "check_size"]

#: A file larger than this is not opened. 1 GiB holds any radiograph below `MAX_PIXELS`.
MAX_FILE_BYTES: Final = 1 << 30

#: The largest radiographs in use (stitched long films) have some 40 million pixels.
MAX_PIXELS: Final = 100_000_000

#: Colour and transparency take memory too: this is 100 million pixels of four bytes.
MAX_DECODED_BYTES: Final = 400_000_000

#: A body is some 1/40 of a lateral film: on fewer pixels than this nothing can be measured.
MIN_SIDE_PX: Final = 64


def check_size(path: str, rows: int, columns: int, pixel_bytes: int = 1) -> None:
    """Refuse an image that is too small or too large.

    Parameters
    ----------
    path : str
        For messages.
    rows, columns : int
        Size that the header declares.
    pixel_bytes : int
        Bytes of a decoded pixel, all its samples together.

    Raises
    ------
    UnreadableImage
        If a side is shorter than `MIN_SIDE_PX`, the pixels are more than `MAX_PIXELS`, or
        their bytes more than `MAX_DECODED_BYTES`.
    """
    size = f"{columns} x {rows} pixels"
    if rows < 1 or columns < 1:
        raise UnreadableImage(f"{path}: the header gives {size}; an image has at least one of each")
    if rows * columns > MAX_PIXELS:
        raise UnreadableImage(
            f"{path}: {size}, more than the {MAX_PIXELS // 1_000_000} million that are read;"
            " export the film at a lower resolution"
        )
    if rows * columns * pixel_bytes > MAX_DECODED_BYTES:
        raise UnreadableImage(
            f"{path}: {size} of {pixel_bytes} bytes, more than the"
            f" {MAX_DECODED_BYTES // 1_000_000} MB that are read; export the film in grey"
        )
    if min(rows, columns) < MIN_SIDE_PX:
        raise UnreadableImage(
            f"{path}: {size}, smaller than {MIN_SIDE_PX} on a side: too few pixels to measure on;"
            " a thumbnail?"
        )
