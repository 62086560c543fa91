"""The picture and the page of twenty million rows, in little memory."""

import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("bokeh", reason="needs bokeh")
pytest.importorskip("matplotlib", reason="needs matplotlib")

ROWS, D = 20_000_000, 16
MOST_MEGABYTES = 300  # above what there is after the selection

SCRIPT = """
import io, sys, threading, time
import numpy as np
import ally_fast
from ally_fast.report import draw_batch, save_figure, write_report

pool, scores = (np.load(name, mmap_mode="r") for name in ("pool.npy", "scores.npy"))
exclude = np.arange(0, len(pool), 1000)
batch, info = ally_fast.select(pool, scores, 10_000, 100, exclude=exclude, return_info=True)

def held():
    text = open("/proc/self/status").read()
    return int(text.split("RssAnon:")[1].split()[0]) / 1024

def peak_of(work):
    peaks, done = [held()], threading.Event()
    def watch():
        while not done.wait(0.002):
            peaks.append(held())
    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return max(peaks)

before = held()
chosen = (pool, scores, batch, info)
page = io.BytesIO()
draw = lambda: save_figure(draw_batch(*chosen, exclude=exclude), io.BytesIO(), ".png")
write = lambda: write_report(page, *chosen, exclude=exclude)
print("picture", peak_of(draw) - before, "page", peak_of(write) - before)
text = page.getvalue().decode()
print("20,000 random rows of the 19,980,000 that could be chosen" in text)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_twenty_million_rows(tmp_path):
    pool = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", np.float16, (ROWS, D))
    scores = np.lib.format.open_memmap(tmp_path / "scores.npy", "w+", np.float64, (ROWS,))
    rng = np.random.default_rng(0)
    block = rng.normal(size=(1_000_000, D)).astype(np.float16)
    for lo in range(0, ROWS, len(block)):
        pool[lo : lo + len(block)] = np.roll(block, lo // len(block), axis=1)
        scores[lo : lo + len(block)] = rng.random(len(block))
    pool.flush()
    scores.flush()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    picture, page = map(float, re.findall(r"(?:picture|page) (\S+)", done.stdout))
    assert picture < MOST_MEGABYTES
    assert page < MOST_MEGABYTES
    assert done.stdout.endswith("True\n")
