"""How good is the credit of a policy? Measured, as files, a page, and tables in the terminal."""

from pathlib import Path

from vineppo.analysis.records import Analysis
from vineppo.analysis.truth_store import TruthStore
from vineppo.analyze.files import write_files
from vineppo.analyze.tables import show
from vineppo.errors import UserError
from vineppo.recipes.analyze import analyze, asked_sources
from vineppo.recipes.target import Target
from vineppo.report.analysis_figures import write_figures
from vineppo.report.analysis_page import write_analysis_page
from vineppo.tasks.build import build_task

TRUTH = "truth.sqlite3"
"""The measured truths, beside the analyses that share them."""


def analyze_credit(target: Target, *, out: Path | None = None, truth: Path | None = None) -> Analysis:
    """`vineppo analyze`: measure how good credit is. Can be stopped at any moment and started again."""
    asked_sources(target)  # what is refused leaves nothing behind
    task, folder = build_task(target.config.task), target.home if out is None else out
    make_folder(folder)
    store = TruthStore((target.home.parent if out is None else out) / TRUTH if truth is None else truth)
    try:
        analysis = analyze(target, task, store)
    except KeyboardInterrupt:
        print(f"the truth measured so far is kept in {store.path}; the same command goes on from there", flush=True)
        raise
    write_files(analysis, folder)
    show(analysis)
    write_figures(analysis, folder / "figures")
    print(f"page {write_analysis_page(analysis, folder)}")
    return analysis


def make_folder(folder: Path) -> None:
    """Where the results go."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another place with --out DIR") from error
