"""The docstrings of public names are complete; links of pages lead somewhere."""

import inspect
import re
from pathlib import Path

import pytest

import ally_fast
from ally_fast import stages

STAGES = {name: getattr(stages, name) for name in stages.__all__}
PUBLIC = {name: getattr(ally_fast, name) for name in ally_fast.__all__ if not name.startswith("_")}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("section", ["Parameters", "Returns", "Raises", "Examples"])
def test_sections(name, section):
    assert f"{section}\n{'-' * len(section)}" in inspect.getdoc(FUNCTIONS[name])


@pytest.mark.parametrize("name", STAGES)
def test_stages_say_what_they_take_and_give(name):
    text = inspect.getdoc(STAGES[name])
    assert text.splitlines()[0].endswith(".")
    if inspect.isfunction(STAGES[name]):
        assert "Parameters\n----------" in text
        assert re.search("(Returns\n-------|Yields\n------)", text)
        for parameter in inspect.signature(STAGES[name]).parameters:
            assert parameter in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described(name):
    text = inspect.getdoc(FUNCTIONS[name])
    described = text.split("Parameters\n----------")[1].split("Returns\n-------")[0]
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        assert parameter in described


@pytest.mark.parametrize("name", PUBLIC)
def test_first_line_is_a_sentence(name):
    first = inspect.getdoc(PUBLIC[name]).splitlines()[0]
    assert first.endswith(".")


def test_the_public_call_is_the_contract():
    signature = inspect.signature(ally_fast.select)
    expected = {
        "allocation": "equal",
        "exclude": None,
        "ids": None,
        "exclude_ids": None,
        "unknown_ids": "error",
        "groups": None,
        "min_per_group": None,
        "max_per_group": None,
        "cost": None,
        "cost_budget": None,
        "labeled_embeddings": None,
        "radius": None,
        "max_score": None,
        "tie_break": "index",
        "centroids": None,
        "train_size": "auto",
        "max_iter": 25,
        "tol": 3e-3,
        "metric": "euclidean",
        "engine": "auto",
        "device": "auto",
        "seed": 0,
        "threads": None,
        "chunk_rows": None,
        "progress": False,
        "return_info": False,
    }
    positional = ["embeddings", "dual_scores", "b", "k"]
    assert list(signature.parameters) == [*positional, *expected]
    for name, default in expected.items():
        assert signature.parameters[name].default == default
        assert signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_every_page_is_reached_from_the_readme_or_another(page):
    others = [(ROOT / other).read_text() for other in PAGES if other != page]
    assert any(re.search(rf"\]\((docs/)?{Path(page).name}[#)]", text) for text in others)
