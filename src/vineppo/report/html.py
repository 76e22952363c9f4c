"""Reports as HTML: one file each that needs nothing else, neither network nor server."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vineppo.disk import write_atomically
from vineppo.report.colours import COLOURS, dashes
from vineppo.report.comparison_page import Compared, make_comparison_page
from vineppo.report.explanation_page import Explanation, make_explanation_page
from vineppo.report.page import Page, make_page
from vineppo.report.run_data import read_run

FILE_NAME = "report.html"


def write_report(run_dir: Path) -> Path:
    """Read a run directory, finished or not, and write its report into it."""
    return write_page(render(make_page(read_run(run_dir))), run_dir / FILE_NAME)


def write_comparison(compared: Compared, path: Path) -> Path:
    """Write the page of a comparison."""
    return write_page(render_page("comparison.html.jinja", make_comparison_page(compared)), path)


def write_explanation(explanation: Explanation, path: Path) -> Path:
    """Write the page of an explanation."""
    return write_page(render_page("explanation.html.jinja", make_explanation_page(explanation)), path)


def render(page: Page) -> str:
    """A run's page as HTML."""
    return render_page("run.html.jinja", page)


def render_page(template: str, page: object) -> str:
    """A page as HTML. The template sees `page`; every value is escaped.

    Only our own style sheet and script are not, and the drawings of charts, which escape their words themselves.
    """
    environment = templates()
    script = environment.get_template("run.js.jinja").render()
    return environment.get_template(template).render(
        page=page,
        style=Markup(environment.get_template("run.css.jinja").render(colours=COLOURS)),
        script=Markup(script),
        script_hash=content_hash(script),
    )


@cache
def templates() -> Environment:
    """Compiled once: a run renders its page after every evaluation."""
    environment = Environment(
        loader=PackageLoader("vineppo", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(dashes=dashes)
    return environment


def write_page(html: str, path: Path) -> Path:
    """Write the file in one step: the old one stays until the new one is whole."""
    write_atomically(path, html)
    return path


def content_hash(script: str) -> str:
    """The script's name in the content security policy: the browser runs this one and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
