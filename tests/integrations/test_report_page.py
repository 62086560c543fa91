"""A report in a browser: light and dark, wide and narrow, without a network."""

import base64
import io
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import ally_fast
from ally_fast.report import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("bokeh", reason="needs bokeh")
pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
N, D = 3000, 8
HOSTILE = "</script><script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"


class Report(NamedTuple):
    """A page that was written."""

    path: Path
    b: int


@pytest.fixture(scope="module")
def browser():
    """Start the browser of this machine."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


def pixel():
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    file = io.BytesIO()
    image.new("RGB", (64, 48), "teal").save(file, "PNG")
    return file.getvalue()


def mixture(rng):
    centres = 4 * rng.normal(size=(9, D))
    kind = rng.integers(0, 9, N)
    return (centres[kind] + rng.normal(size=(N, D))).astype(np.float32), kind


def scored(rows):
    return np.abs(rows[:, 0]) / 2


def pages(rng):
    """Return a pool, and options of `select`, for each kind of page."""
    rows, kind = mixture(rng)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D)
    columns = {
        "id": [f"{i} {HOSTILE}" for i in range(N)],
        "caption": [HOSTILE] * N,
        "image": [pixel()] * N,
        "link": [f"https://example.org/{i}" for i in range(N)],
    }
    table = ally_fast.open_pool(
        pa.table({"emb": vectors, **columns}),
        column="emb",
        ids="id",
        keep=["caption", "image", "link"],
    )
    groups = np.array(["rear", HOSTILE, "left"])[kind % 3]
    costs = {"cost": np.ones(N), "cost_budget": 40.0}
    return {
        "groups": (table, 60, {"groups": groups, "min_per_group": 5, **costs}),
        "radius": (rows, 60, {"radius": 1.5}),
        "function": (rows, 60, {"max_score": 3.0}),
        "second round": (rows, 60, {"exclude": np.arange(0, N, 30), "metric": "cosine"}),
    }


@pytest.fixture(scope="module", params=["groups", "radius", "function", "second round"])
def report(request, tmp_path_factory):
    rng = np.random.default_rng(2)
    pool, b, options = pages(rng)[request.param]
    scores = rng.gamma(2, 1, N)
    if request.param == "function":
        scores = scored
    k = 6 if request.param == "radius" else 30
    batch, info = ally_fast.select(pool, scores, b, k, return_info=True, **options)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, pool, scores, batch, info, b=b, **options)
    return Report(path, len(batch))


@contextmanager
def opened(browser, path, width=1440, scheme="light"):
    """Yield a page that is drawn, and what the browser complained of."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page, complaints = context.new_page(), []
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on(
        "request",
        lambda sent: complaints.append(sent.url) if sent.url.startswith("http") else None,
    )
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    yield page, complaints
    context.close()


def colours(page, selector):
    """Return how many colours an element shows."""
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    element = page.locator(selector)
    element.scroll_into_view_if_needed()
    picture = image.open(io.BytesIO(element.screenshot())).convert("RGB")
    return {colour for _, colour in picture.getcolors(maxcolors=1 << 24)}


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_drawn_without_a_complaint(width, scheme, browser, report):
    with opened(browser, report.path, width, scheme) as (page, complaints):
        assert "rows to label, chosen from 3,000" in page.inner_text("h1")
        charts = [chart.get_attribute("id") for chart in page.locator(".chart").all()]
        names = ("map", "scores", "sizes", "coverage", "gaps")
        assert charts == [f"chart-{name}" for name in names]
        for name in charts:
            assert len(colours(page, f"#{name}")) > 20, "nothing is drawn"
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, "the page scrolls to the side"
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(245, 246, 248)", "dark": "rgb(16, 19, 24)"}[scheme]
        bright = [max(colour) for colour in colours(page, "#chart-scores")]
        assert max(bright) - min(bright) > 100, "axes and labels stand out"
        assert complaints == []
        assert page.title().startswith("Batch of ")


@pytest.mark.parametrize("report", ["groups"], indirect=True)
def test_texts_of_users_stay_texts(browser, report):
    with opened(browser, report.path) as (page, complaints):
        assert page.locator("td", has_text=HOSTILE).count() >= report.b
        assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
        link = page.locator("#picks a").first
        assert link.get_attribute("rel") == "noopener noreferrer"
        page.locator("#picks img").first.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('#picks img').naturalWidth === 64")
        assert complaints == []


_PLACE = """() => {
    const views = [...Bokeh.index];
    const edged = view => view.model.renderers.find(drawn => drawn.name === "edged");
    const view = views.find(edged);
    const { x, y, name } = edged(view).data_source.data;
    const last = x.length - 1;
    const box = view.canvas_view.el.getBoundingClientRect();
    return {
        x: box.x + view.frame.x_scale.compute(x[last]),
        y: box.y + view.frame.y_scale.compute(y[last]),
        name: name[last],
    };
}"""


def test_a_pick_tells_its_name_where_the_pointer_is(browser, report):
    with opened(browser, report.path) as (page, complaints):
        page.locator("#chart-map").scroll_into_view_if_needed()
        place = page.evaluate(_PLACE)
        page.mouse.move(place["x"] - 2, place["y"])
        page.mouse.move(place["x"], place["y"])
        page.locator(".bk-tooltip-row-value", has_text=place["name"]).first.wait_for(timeout=5000)
        assert complaints == []


def test_headings_sort_the_picks(browser, report):
    with opened(browser, report.path) as (page, _):

        def column(name):
            heads = page.locator("#picks th").all_inner_texts()
            number = [head.split()[0] for head in heads].index(name) + 1
            texts = page.locator(f"#picks tbody td:nth-child({number})").all_inner_texts()
            return [float(text) for text in texts]

        before = column("score")
        assert column("order") == list(range(len(before)))
        head = page.locator("#picks th", has_text="score")
        head.locator("button").click()
        assert column("score") == sorted(before)
        assert head.get_attribute("aria-sort") == "ascending"
        head.locator("button").press("Enter")
        assert column("score") == sorted(before, reverse=True)
        page.locator("#picks th", has_text="order").locator("button").click()
        assert column("score") == before


def test_the_colours_follow_the_system(browser, report):
    with opened(browser, report.path) as (page, _):
        light = colours(page, "#chart-scores")
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(300)
        dark = colours(page, "#chart-scores")
        assert (255, 255, 255) in light
        assert (255, 255, 255) not in dark
        assert max(map(max, dark)) > 150


def test_a_data_url_is_no_way_in():
    content = base64.b64encode(b"<svg onload='alert(1)'/>").decode()
    from ally_fast.report.thumbnails import cell

    assert cell(f"data:image/svg+xml;base64,{content}").picture is None
