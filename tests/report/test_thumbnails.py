"""Cells of the table of picks: pictures, links, texts."""

import base64
import io

import pytest

from ally_fast.report import thumbnails
from ally_fast.report.thumbnails import cell

Image = pytest.importorskip("PIL.Image", reason="needs pillow")


def picture(kind="PNG", size=(300, 200), mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, 128 if mode in "LP" else None).save(file, kind)
    return file.getvalue()


def shown(url):
    head, _, content = url.partition(";base64,")
    assert head in ("data:image/png", "data:image/jpeg")
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_is_made_small(kind):
    found = cell(picture(kind))
    assert shown(found.picture).size == (96, 64)
    assert len(found.picture) < 3000


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "LA", "1", "I;16"])
def test_a_picture_of_any_mode(mode):
    assert max(shown(cell(picture(mode=mode)).picture).size) == 96


def test_a_picture_stands_in_a_struct_or_in_a_url():
    content = picture()
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    for value in ({"bytes": content, "path": "a.png"}, url):
        assert cell(value).picture == cell(content).picture


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no picture", picture()[:60], picture("JPEG")[:200], picture("TIFF")),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    ],
)
def test_what_is_no_picture_is_told_by_its_size(content):
    assert cell(content) == thumbnails.Cell(f"{len(content):,} bytes", len(content))


def test_a_giant_picture_is_not_decoded():
    assert cell(picture(mode="1", size=(10_000, 6_000))).picture is None


def test_a_pillow_that_is_not_safe_decodes_nothing(monkeypatch):
    monkeypatch.setattr("PIL.__version__", "12.3.0")
    found = cell(picture("JPEG"))
    assert found.picture is None
    assert "pillow 13.0.0 or later" in found.text


@pytest.mark.parametrize(
    ("value", "text", "key"),
    [
        *((7, "7", 7.0), (0.123456789, "0.123457", 0.123456789), (True, "True", "True")),
        *((None, "", ""), ("a" * 300, "a" * 240 + "…", "a" * 240 + "…")),
        *(([1, 2], "[1, 2]", "[1, 2]"), ({"a": "ö"}, '{"a": "ö"}', '{"a": "ö"}')),
    ],
)
def test_texts_and_numbers(value, text, key):
    assert (cell(value).text, cell(value).key) == (text, key)


def test_only_web_addresses_are_links():
    assert cell("https://a.org/x?y=1&z=2").link == "https://a.org/x?y=1&z=2"
    for text in ("javascript:alert(1)", "http://a b", 'https://a"onclick=', "ftp://a", "x"):
        assert cell(text).link is None
