"""Checks of images: hostile files are refused before they are decoded, faults are seen, and what is clean passes."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from oracle.protocol.errors import BadInput
from oracle.verification.content import images
from oracle.verification.content.findings import Policy
from oracle.verification.content.images import Image, look, twins, without_location

Pillow = pytest.importorskip("PIL.Image", reason="the extra `content` is not installed")
POLICY = Policy()


def scene(seed: int = 1) -> Any:
    from oracle.bench.content import _leaves

    return _leaves(seed, 128)


def packed(picture: Any, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def located() -> Any:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    exif.get_ifd(images.GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    exif[images.GPS] = exif.get_ifd(images.GPS)
    return exif


def failing(data: bytes, policy: Policy = POLICY) -> list[str]:
    return [f.reason for f in look(data, policy).findings if f.fails]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claims(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_look__an_honest_picture__passes(kind: str) -> None:
    assert failing(packed(scene(), kind)) == []


@pytest.mark.parametrize("side", [8_000, 100_000, 2_000_000_000])
def test_look__a_bomb__is_refused_by_its_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: decoded.append(_))
    assert failing(claims(side, side)) in (["image-too-large"], ["unreadable"])
    assert not decoded


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"%PDF-1.4",
        b"<svg/>",
        b"II*\0",
        packed(scene())[:200],
        b"\xff\xd8\xff\xe1\xff\xff",
    ],
)
def test_look__what_is_no_image__is_unreadable(data: bytes) -> None:
    assert failing(data) == ["unreadable"]


def test_look__every_cut_and_flip_of_a_file__gives_findings_and_no_error() -> None:
    data = packed(scene(), "JPEG", exif=located())
    for at in range(0, len(data), 97):
        look(data[:at], POLICY)
        look(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :], POLICY)


def test_look__size__both_ways() -> None:
    assert failing(packed(scene().resize((63, 200)))) == ["image-too-small"]
    assert failing(packed(scene()), Policy(most_bytes=100)) == ["image-too-large"]


def test_look__blur_and_exposure__fail_with_their_reasons() -> None:
    from PIL import ImageFilter

    assert failing(packed(scene().filter(ImageFilter.GaussianBlur(4)))) == ["blurred"]
    assert "too-dark" in failing(packed(scene().point(lambda v: v // 20)))
    assert "too-bright" in failing(packed(scene().point(lambda v: 243 + v // 20)))
    assert failing(packed(Pillow.new("RGB", (128, 128), (120, 128, 130)))) == ["blank"]


def test_blur__a_checkerboard__as_by_hand() -> None:
    board = (
        np.indices((8, 8)).sum(0) % 2 * 1.0
    )  # the Laplacian is 4 or -4 everywhere: variance 16, of the brightness 1/4
    assert images.blur(board, 1.5).score == pytest.approx(-np.log10(64))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_without_location__copy__has_the_pixels_and_the_orientation_and_no_place(kind: str) -> None:
    data = packed(scene(), kind, exif=located(), **({"lossless": True} if kind == "WEBP" else {}))
    assert failing(data) == ["location-inside"]
    clean = without_location(data)
    assert failing(clean) == []
    before, after = (Pillow.open(io.BytesIO(one)) for one in (data, clean))
    assert before.tobytes() == after.tobytes()
    assert dict(after.getexif()) == {0x0112: 6}


def test_without_location__xmp__goes_too() -> None:
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='52,31N'/>"
    data = packed(scene(), "JPEG")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + data[2:]
    assert failing(data) == ["location-inside"]
    assert b"GPSLatitude" not in without_location(data)


def test_spliced__a_header_cut_off__is_bad_input() -> None:
    with pytest.raises(BadInput, match="cut off"):
        images._spliced(packed(scene(), "JPEG")[:40], b"")


def test_twins__small_changes__are_found_and_other_scenes_are_not() -> None:
    files = [
        packed(scene(1)),
        packed(scene(1).resize((90, 90))),
        packed(scene(1), "JPEG", quality=40),
        packed(scene(2)),
        b"none",
    ]
    answers = [Image(f"i{k}", data) for k, data in enumerate(files)]
    looked = [look(data, POLICY) for data in files]
    found = twins(answers, looked, POLICY.twin)
    assert [f.fails for f in found] == [True, True, True, False, False]
    assert {e.of for e in found[0].evidence} == {"i1", "i2"}
