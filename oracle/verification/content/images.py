"""Checks of one image, and of images beside each other: readable, size, blur, exposure, location, twins.

bytes -> Findings. An image is refused by its header, before a pixel is decoded, where its size, its kind or its claims are beyond
the policy: a small file can claim a billion pixels. Only PNG, JPEG, WebP and GIF are read, and of a moving image the first frame.
"""

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput
from oracle.verification.content.findings import MOST_EVIDENCE, Evidence, Finding, Policy

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
SIDE = 256  # pixels of the longer side at which blur is measured
BANDS = 16  # of brightness
GPS = 0x8825  # the EXIF tag under which a place stands
HASH_SIDE = 8

Grey = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Image:
    """One answer."""

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Looked:
    """What one image shows by itself: its findings, and its perceptual hash [64] where it could be read."""

    findings: tuple[Finding, ...]
    hash: NDArray[np.bool_] | None


def look(data: bytes, policy: Policy) -> Looked:
    """Every check of one image by itself."""
    pillow = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a decompression bomb is only warned of
            with pillow.open(io.BytesIO(data), formats=FORMATS) as image:
                size = _size(image, len(data), policy)
                if size.fails:
                    return Looked((size,), None)
                image.load()
                place = _location(image)
                grey = image.convert("L")
    except Exception as problem:
        kind = type(problem).__name__
        return Looked(
            (Finding("readable", "unreadable", 1.0, 0.0, f"not an image of {', '.join(FORMATS)}: {kind}"),), None
        )
    whole = Finding("readable", "unreadable", 0.0, 0.0, f"{image.format}, {image.width} x {image.height}")
    return Looked(
        (whole, size, blur(_pixels(grey, SIDE), policy.blur), exposure(_pixels(grey, SIDE), policy.exposure), place),
        _phash(grey),
    )


def _pillow() -> Any:
    try:
        from PIL import Image as Pillow  # noqa: PLC0415 - an extra
    except ImportError:
        raise BadInput("checks of images need the package Pillow: pip install 'crowdproof[content]'") from None
    return Pillow


def _size(image: Any, count: int, policy: Policy) -> Finding:
    """By the header alone. Score: the factor by which the worst limit is missed, less 1."""
    width, height = image.size
    factors = {
        "image-too-small": policy.least_side / max(1, min(width, height)),
        "image-too-large": max(width * height / policy.most_pixels, count / policy.most_bytes),
    }
    reason = max(sorted(factors), key=lambda name: factors[name])
    score = max(0.0, factors[reason] - 1)
    words = f"{width} x {height} pixels in {count:,} bytes"
    evidence = (
        Evidence("width", value=float(width)),
        Evidence("height", value=float(height)),
        Evidence("bytes", value=float(count)),
    )
    return Finding("size", reason, score, 0.0, words, evidence)


def blur(grey: Grey, threshold: float) -> Finding:
    """Score: -log10 of (variance of the Laplacian / variance of the brightness), at one size for all.

    Pech-Pacheco et al. 2000, https://doi.org/10.1109/ICPR.2000.903548; divided by the variance, so that low contrast is not blur.
    """
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    spread = float(grey.var())
    detail = float(laplacian.var()) if laplacian.size else 0.0
    score = float(-np.log10(max(detail / spread, 1e-9))) if spread > 1e-6 else 0.0
    return Finding(
        "blur",
        "blurred",
        score,
        threshold,
        f"fine detail is 10^-{score:.2f} of the contrast",
        (Evidence("detail", value=detail),),
    )


def exposure(grey: Grey, threshold: float) -> Finding:
    """Score: the share of the pixels in the fullest of 16 bands of brightness and the next. All dark or bright shows nothing."""
    counts = np.bincount(np.minimum((grey * BANDS).astype(np.int64), BANDS - 1).ravel(), minlength=BANDS)
    shares = counts + np.roll(counts, -1) * (
        np.arange(BANDS) < BANDS - 1
    )  # two neighbours: a flat image may lie on an edge
    band = int(shares.argmax())
    score = float(shares[band] / grey.size)
    mean = float(grey.mean())
    reason = "too-dark" if mean < 2 / BANDS else "too-bright" if mean > 1 - 2 / BANDS else "blank"
    return Finding(
        "exposure",
        reason,
        score,
        threshold,
        f"{score:.0%} of the pixels have nearly one brightness, {mean:.2f} in the mean",
        (Evidence("brightness", value=mean),),
    )


def _pixels(grey: Any, side: int) -> Grey:
    """Brightness in 0..1, no side longer than `side`. [H, W]"""
    factor = max(grey.size) / side
    if factor > 1:
        grey = grey.resize(tuple(max(3, round(s / factor)) for s in grey.size), _pillow().Resampling.BOX)
    return np.asarray(grey, np.float64) / 255


# ------------------------------------------------------------------------------------------------------------ location


def _location(image: Any) -> Finding:
    """Whether the file says where it was taken. `without_location` gives the copy that does not."""
    exif = image.getexif()
    score = float(GPS in exif and bool(exif.get_ifd(GPS))) or float(_tells(image.info.get("xmp", b"")))
    return Finding(
        "location", "location-inside", score, 0.0, "the file says where it was taken" if score else "no place is named"
    )


def _tells(xmp: Any) -> bool:
    text = xmp if isinstance(xmp, bytes) else str(xmp).encode(errors="replace")
    return b"GPSLatitude" in text or b"GPSLongitude" in text


def tells_place(data: bytes) -> bool:
    """Whether the file says where it was taken. Raises BadInput for what is no image of ours."""
    with _opened(data) as image:
        return bool(_location(image).score)


def without_location(data: bytes) -> bytes:
    """The same image with no word of where it was taken."""
    return stripped(data)


def stripped(data: bytes, with_place: bool = False) -> bytes:
    """The same picture without what its file says beside it, but for how it is turned, and its place where that is asked for.

    EXIF, XMP, IPTC, comments, previews and whatever follows the picture go. A JPEG keeps every byte of its pixels; other kinds are
    written anew, lossless, and of a moving image the first frame. Raises BadInput for what is no image of ours.
    """
    with _opened(data) as image:
        told, kept = image.getexif(), _pillow().Exif()
        if (orientation := told.get(0x0112)) is not None:
            kept[0x0112] = orientation
        if with_place and (place := dict(told.get_ifd(GPS))):
            kept[GPS] = place
        exif = kept.tobytes() if len(kept) else b""
        if image.format == "JPEG":
            return _spliced(data, exif)
        try:
            image.load()
        except (OSError, ValueError, SyntaxError) as problem:
            raise BadInput(f"an image that cannot be read ({type(problem).__name__}); save it again") from None
        out = io.BytesIO()
        options = {"WEBP": {"lossless": True, "exact": True}, "GIF": {}, "PNG": {}}[image.format]
        clean = image.copy()
        clean.info = {k: v for k, v in image.info.items() if k in ("transparency", "icc_profile", "gamma", "dpi")}
        clean.save(out, image.format, exif=exif if image.format != "GIF" else b"", **options)
        return out.getvalue()


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    """By its header; a claim of too many pixels is refused before one is decoded."""
    pillow = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = pillow.open(io.BytesIO(data), formats=FORMATS)
    except Exception as problem:
        raise BadInput(f"not an image of {', '.join(FORMATS)} ({type(problem).__name__})") from None
    with image:
        yield image


def _spliced(data: bytes, exif: bytes) -> bytes:
    """A JPEG of nothing but what decodes it, up to its end; `exif` in front. Raises BadInput for one that is cut off.

    Of the application segments those stay that say how colours are meant: JFIF (APP0), the ICC profile (APP2), Adobe (APP14).
    """
    kept = [data[:2]]
    if exif:
        kept.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 2 <= len(data):
        mark = data[at + 1]
        if mark == 0xD9:
            return b"".join([*kept, data[at : at + 2]])
        if mark in (0x00, 0x01, 0xFF) or 0xD0 <= mark <= 0xD7:  # stuffing and restarts, of pixels already kept
            at += 1 if mark == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if _needed(data[at:end]):
            kept.append(data[at:end])
        at = end
        if mark == 0xDA:
            at = _scanned(data, end)
            kept.append(data[end:at])
    raise BadInput("a JPEG that is cut off; save it again")


def _needed(segment: bytes) -> bool:
    mark = segment[1]
    if not (0xE0 <= mark <= 0xEF or mark == 0xFE):
        return True
    return (mark, segment[4:9]) == (0xE0, b"JFIF\0") or segment[4:16] == b"ICC_PROFILE\0" or segment[4:9] == b"Adobe"


def _scanned(data: bytes, at: int) -> int:
    """Where a scan's pixels end: at the next marker that is neither stuffing nor a restart."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
    return len(data)


# --------------------------------------------------------------------------------------------------------------- twins


def twins(images: Sequence[Image], looked: Sequence[Looked], threshold: float) -> list[Finding]:
    """Whether another answer shows nearly the same picture. Score: share of equal bits of the perceptual hash (DCT, 64 bits).

    Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions. Scaling, compression and slight changes
    keep it; a crop or a mirror image does not.
    """
    rows = [i for i, one in enumerate(looked) if one.hash is not None]
    bits = np.array([looked[i].hash for i in rows], np.float32).reshape(len(rows), HASH_SIDE**2) * 2 - 1  # [n, 64]
    found = [Finding("twin", "same-picture", 0.0, threshold, "no other picture to compare with")] * len(images)
    for at, i in enumerate(rows):
        alike = (1 + bits @ bits[at] / HASH_SIDE**2) / 2  # [n]
        alike[at] = 0
        if len(rows) > 1:
            near = sorted((-float(alike[k]), images[rows[k]].id) for k in np.flatnonzero(alike > threshold))[
                :MOST_EVIDENCE
            ]
            score = float(alike.max())
            evidence = tuple(Evidence("answer", of=name, value=-minus) for minus, name in near)
            found[i] = Finding(
                "twin", "same-picture", score, threshold, f"{score:.0%} of the hash is that of another", evidence
            )
    return found


def _phash(grey: Any) -> NDArray[np.bool_]:
    """Signs of the 64 lowest frequencies against their median, of the picture at 32 x 32. [64]"""
    from scipy.fft import dctn  # noqa: PLC0415 - only images need it

    small = np.asarray(grey.resize((4 * HASH_SIDE, 4 * HASH_SIDE), _pillow().Resampling.LANCZOS), np.float64)
    low = dctn(small)[:HASH_SIDE, :HASH_SIDE].ravel()
    bits: NDArray[np.bool_] = low > np.median(low[1:])
    return bits
