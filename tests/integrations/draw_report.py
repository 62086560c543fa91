"""Draw docs/figures/report.png: pages that `make demo` wrote, in a browser, light and dark.

make demo
.venv-integrations/bin/python tests/integrations/draw_report.py
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
SHOWN = {"light": (1180, 1612), "dark": (390, 1612)}  # of the first round, of the second
SMALLER = 0.6


def main():
    parts = []
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for number, (scheme, (width, height)) in enumerate(SHOWN.items(), 1):
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto((ROOT / "demo_output" / f"round{number}.html").as_uri())
            page.wait_for_selector("html[data-drawn=yes]")
            parts.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    wide = sum(part.width for part in parts) + 20
    whole = Image.new("RGB", (wide, parts[0].height), "white")
    left = 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width + 20
    size = round(whole.width * SMALLER), round(whole.height * SMALLER)
    small = whole.resize(size, Image.Resampling.LANCZOS)
    few = small.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(ROOT / "docs" / "figures" / "report.png", optimize=True)


if __name__ == "__main__":
    main()
