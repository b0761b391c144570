"""Images of many kinds, made by code, with the pixels that are to be seen of each."""

import io
import struct
from dataclasses import dataclass

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageOps

WIDTH, HEIGHT = 64, 40

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def _picture() -> Image.Image:
    """Return a picture that no turn and no mirror leaves alone."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[..., 0] = np.arange(WIDTH) * 3
    pixels[..., 1] = (np.arange(HEIGHT) * 6)[:, None]
    pixels[:8, :12] = 255
    return Image.fromarray(pixels)


PICTURE = _picture()
MIRRORED = ImageOps.mirror(PICTURE)
DEPTHS = (np.arange(WIDTH, dtype=np.uint16) * 1000)[None].repeat(HEIGHT, 0)
ALPHA = Image.fromarray(np.arange(WIDTH, dtype=np.uint8)[None].repeat(HEIGHT, 0) * 4)
"""Values of 16 bits, and an alpha channel, from left to right."""


PACKED = {"zstd": {"compression": "zstd"}, "tiles": {"tile": (16, 16)}}
"""Of TIFF, what OpenCV cannot unpack, and what it would mirror wrongly."""

UNCOMPRESSED = (cv2.IMWRITE_TIFF_COMPRESSION, 1)


@dataclass(frozen=True)
class Kind:
    """An encoded image, and what is to be seen of it.

    Attributes:
        seen: (height, width, 3) uint8 BGR, or None where it cannot be decoded.
        checks: what is found if the annotation does not tell its size.
        tolerance: grey levels by which a lossy format may differ.
    """

    encoded: bytes
    seen: np.ndarray | None
    checks: tuple[str, ...] = ()
    tolerance: int = 0


def bgr(picture: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])


def encode(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(**options) -> bytes:
    return encode(PICTURE, "JPEG", quality=95, **options)


def webp(**options) -> bytes:
    return encode(PICTURE, "WEBP", lossless=True, **options)


def by_opencv(suffix: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def exif(orientation: int, order: str = ">", long: bool = False) -> bytes:
    """Return EXIF with an orientation, as a short number or a long one."""
    value = struct.pack(f"{order}HHII" if long else f"{order}HHIHxx", *(
        (274, 4 if long else 3, 1, orientation)
    ))  # fmt: skip
    start = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", 8)
    return b"Exif\0\0" + start + struct.pack(f"{order}H", 1) + value + bytes(4)


def turned(orientation: int, picture: Image.Image = PICTURE) -> np.ndarray:
    picture = picture.copy()
    picture.getexif()[274] = orientation
    return bgr(ImageOps.exif_transpose(picture))


def raw_profile(orientation: int) -> bytes:
    """Return a PNG with the text chunk that ImageMagick writes EXIF into."""
    from PIL.PngImagePlugin import PngInfo

    content = exif(orientation)
    info = PngInfo()
    text = f"\nexif\n{len(content):8}\n{content.hex()}\n"
    info.add_text("Raw profile type exif", text, zip=True)
    return encode(PICTURE, "PNG", pnginfo=info)


def _kinds() -> dict[str, Kind]:
    plain, grey = bgr(PICTURE), PICTURE.convert("L")
    few = PICTURE.quantize(64)
    see_through = PICTURE.convert("RGBA")
    see_through.putalpha(ALPHA)
    more = {"save_all": True, "append_images": [MIRRORED]}
    upper = np.dstack([(DEPTHS >> 8).astype(np.uint8)] * 3)
    floats = np.dstack([np.float32(DEPTHS / 65535)] * 3)
    rotated, pages = ("rotated-image",), ("more-pages",)
    kinds = {
        "plain.jpg": Kind(jpeg(), plain, (), 30),
        "progressive.jpg": Kind(jpeg(progressive=True), plain, (), 60),
        "plain.png": Kind(encode(PICTURE, "PNG"), plain),
        "plain.bmp": Kind(encode(PICTURE, "BMP"), plain),
        "plain.webp": Kind(webp(), plain),
        "plain.tif": Kind(encode(PICTURE, "TIFF"), plain),
        "lzw.tiff": Kind(encode(PICTURE, "TIFF", compression="tiff_lzw"), plain),
        "windows.jfif": Kind(jpeg(), plain, (), 30),
        "old.jpe": Kind(jpeg(), plain, (), 30),
        # The content says what it is.
        "webp called.jpg": Kind(webp(), plain),
        "tiff called.png": Kind(encode(PICTURE, "TIFF"), plain),
        "png called.bmp": Kind(encode(PICTURE, "PNG"), plain),
        "jp2 called.jpg": Kind(encode(PICTURE, "JPEG2000"), plain),
        # Colours
        "grey.jpg": Kind(encode(grey, "JPEG", quality=95), bgr(grey), (), 30),
        "grey.png": Kind(encode(grey, "PNG"), bgr(grey)),
        "grey.tif": Kind(encode(grey, "TIFF"), bgr(grey)),
        "palette.png": Kind(encode(few, "PNG"), bgr(few)),
        "palette.tif": Kind(encode(few, "TIFF"), bgr(few)),
        "palette.bmp": Kind(encode(few, "BMP"), bgr(few)),
        "one bit.png": Kind(encode(grey.convert("1"), "PNG"), bgr(grey.convert("1"))),
        "fax.tif": Kind(
            encode(grey.convert("1"), "TIFF", compression="group4"),
            bgr(grey.convert("1")),
        ),
        "cmyk.jpg": Kind(
            encode(PICTURE.convert("CMYK"), "JPEG", quality=95), plain, (), 30
        ),
        "cmyk.tif": Kind(encode(PICTURE.convert("CMYK"), "TIFF"), plain),
        "alpha.png": Kind(encode(see_through, "PNG"), plain),
        "alpha.webp": Kind(
            encode(see_through, "WEBP", lossless=True, exact=True), plain
        ),
        "grey alpha.png": Kind(encode(grey.convert("LA"), "PNG"), bgr(grey)),
        "clear colour.png": Kind(encode(few, "PNG", transparency=0), bgr(few)),
        "alpha.tif": Kind(
            encode(see_through, "TIFF"),
            np.uint8(plain * (np.asarray(ALPHA) / 255)[..., None]),
            (),
            1,
        ),
        # Depth
        "deep.png": Kind(by_opencv(".png", DEPTHS), upper),
        "deep colours.png": Kind(by_opencv(".png", np.dstack([DEPTHS] * 3)), upper),
        "deep.tif": Kind(by_opencv(".tif", DEPTHS), upper),
        "deep colours.tif": Kind(
            by_opencv(".tif", np.dstack([DEPTHS] * 3)), upper, (), 1
        ),
        "12 bits.png": Kind(
            by_opencv(".png", DEPTHS >> 4), upper >> 4, ("unused-bits",)
        ),
        "12 bits.tif": Kind(
            by_opencv(".tif", DEPTHS >> 4), upper >> 4, ("unused-bits",)
        ),
        "floats.tif": Kind(by_opencv(".tif", np.float32(DEPTHS)), None),
        "float colours.tif": Kind(by_opencv(".tif", floats, *UNCOMPRESSED), None),
        "brightness.tif": Kind(by_opencv(".tif", floats), None),
        # Pages
        "pages.tif": Kind(encode(PICTURE, "TIFF", **more), plain, pages),
        "frames.webp": Kind(
            encode(PICTURE, "WEBP", lossless=True, **more), plain, pages
        ),
        "frames.png": Kind(encode(PICTURE, "PNG", **more), plain, pages),
        "two views.jpg": Kind(
            encode(PICTURE, "MPO", quality=95, **more), plain, (), 30
        ),
        # What OpenCV does not read
        "gif called.jpg": Kind(encode(few, "GIF"), None),
        "avif called.png": Kind(encode(PICTURE, "AVIF"), None),
        "tga called.jpg": Kind(encode(PICTURE, "TGA"), None),
        # Orientation that only viewers follow
        "xmp.jpg": Kind(jpeg(xmp=XMP), plain, rotated, 30),
        "raw profile.png": Kind(raw_profile(6), plain, rotated),
        "long.jpg": Kind(
            jpeg(exif=exif(6, long=True)),
            plain,
            rotated,
            30,
        ),
    }
    for value in range(10):
        options = {"exif": exif(value, "<" if value % 2 else ">")}
        checks = rotated if 2 <= value <= 8 else ()
        seen = turned(value)
        kinds |= {
            f"exif {value}.jpg": Kind(jpeg(**options), seen, checks, 30),
            f"exif {value}.png": Kind(
                encode(PICTURE, "PNG", exif=exif(value)), seen, checks
            ),
            f"exif {value}.tif": Kind(
                encode(PICTURE, "TIFF", tiffinfo={274: value}), seen, checks
            ),
        }
    for value in (3, 6):
        kinds[f"exif {value}.webp"] = Kind(webp(exif=exif(value)), plain, rotated)
        kinds[f"deep {value}.tif"] = Kind(
            encode(Image.fromarray(DEPTHS), "TIFF", tiffinfo={274: value}),
            turned(value, Image.fromarray(upper)),
            rotated,
        )
        for name, options in PACKED.items():
            stream = io.BytesIO()
            tag = [(274, "H", 1, value, True)]
            pixels = np.asarray(PICTURE)
            tifffile.imwrite(stream, pixels, extratags=tag, **options)
            kinds[f"{name} {value}.tif"] = Kind(
                stream.getvalue(), turned(value), rotated
            )
    return kinds


KINDS = _kinds()
