"""The section of docs/map.md that is measured, and the files of numbers."""

import csv
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, median

from chain_map.family import Chain
from chain_map.figure import draw
from chain_map.methods import METHODS
from chain_map.results import REFERENCE, Results, departures, success
from rollout_speed.record import with_section

TITLE = "Results"


def write(results: Results, families: Mapping[str, Sequence[Chain]], docs: Path, numbers: Path) -> str:
    """Figure, page and CSV; the section as text."""
    draw(results, docs / "figures/credit-map.png")
    body = section(results, families)
    page = docs / "map.md"
    page.write_text(with_section(page.read_text() if page.exists() else "# The map\n", TITLE, body))
    table(numbers / "map.csv", noise_rows(results))
    table(numbers / "training.csv", training_rows(results))
    return body


def section(results: Results, families: Mapping[str, Sequence[Chain]]) -> str:
    """Its body."""
    parts = [
        "![What step credit can gain, what it gains, and whether training agrees](figures/credit-map.png)",
        "**Times fewer tokens than RLOO for the same gradient noise** (below 1: more): exact step values for nothing / "
        "the best of the methods that only measure / the best that learns from rollouts, too. In brackets N_d and the "
        "success at the start.",
        markdown(family_table(results, families)),
        "**Where it pays, at other prices**: of how many chains the best method needs clearly fewer tokens than RLOO "
        "(by more than two standard errors), and its times fewer tokens in the middle of all chains.",
        markdown(price_table(results)),
        "**Training**: tokens to the target, RLOO's over the method's (above 1: faster than RLOO). First what noise "
        f"foretells, then what training took, {' and '.join(results.optimizers)}; geometric means over the test seeds.",
        markdown(training_table(results)),
        "**Does the noise rank methods as training does?** A chain agrees if no difference that training shows clearly "
        "(2.2 standard errors) is foretold the wrong way, and the method foretold to be best is the fastest or not "
        "clearly slower than it. (1 + noise) x tokens is the same for loud updates; it says that an update of one "
        "question without any noise is still no more than one update.",
        markdown(agreement_table(results)),
    ]
    return "\n\n".join(parts)


def family_table(results: Results, families: Mapping[str, Sequence[Chain]]) -> list[list[str]]:
    """A row for each chain."""
    rows = [["chain", "N_d", "success", "exact values", "measured, best of them", "learned from, best of them"]]
    for chain in dict.fromkeys(chain for own in families.values() for chain in own if chain in results.chains):
        rows.append([chain.title, f"{departures(chain):.2g}", f"{success(chain):.2g}", *gain_cells(results, chain)])
    return rows


def gain_cells(results: Results, chain: Chain) -> list[str]:
    """Ceiling, measured, learned."""
    ceiling, measured, learned = (results.best(chain, kind) for kind in ("ceiling", "measured", "learned"))
    return [
        f"{ceiling.times:.2g}",
        *(f"{own.times:.2g} ± {own.times * own.error:.1g} ({own.method})" for own in (measured, learned)),
    ]


def price_table(results: Results) -> list[list[str]]:
    """A row for each price."""
    rows = [["judging a response costs", "a rollout's token (and its judging) costs", "measured", "learned from"]]
    for judging, price in ((0, 1.0), (1, 1.0), (10, 1.0), (0, 0.1), (0, 0.01)):
        cells = []
        for kind in ("measured", "learned"):
            gains = [
                results.best(chain, kind, judging=judging * chain.length, rollout_price=price)
                for chain in results.chains
            ]
            paying = sum(gain.times * (1 - 2 * gain.error) > 1 for gain in gains)
            cells.append(f"{paying} of {len(gains)}, {median(gain.times for gain in gains):.2g}")
        judge = f"as much as {judging} of its lengths" if judging else "nothing"
        rows.append([judge, f"{price:g} of a trajectory's", *cells])
    return rows


def training_table(results: Results) -> list[list[str]]:
    """A row for each chain, a column for each method."""
    names = list(dict.fromkeys(name for _, name, _ in results.training if name != REFERENCE))
    rows = [["chain", f"{REFERENCE}, tokens", *names]]
    for chain in results.trained:
        reference = {how: results.training[chain.name, REFERENCE, how].tokens for how in results.optimizers}
        cells = []
        for name in names:
            foretold = results.foretold_cost(chain, REFERENCE) / results.foretold_cost(chain, name)
            trained = [reference[how] / results.training[chain.name, name, how].tokens for how in results.optimizers]
            cells.append(f"{foretold:.2g}: {', '.join(f'{own:.2g}' for own in trained)}")
        rows.append([chain.title, ", ".join(f"{own / 1000:.1f}k" for own in reference.values()), *cells])
    return rows


def agreement_table(results: Results) -> list[list[str]]:
    """For each optimizer and prediction, with and without the ceiling."""
    rows = [["", "chains that agree", "best method agrees", "clear pairs foretold right", "Kendall's tau, mean"]]
    for how, signal, without in product(results.optimizers, (0.0, 1.0), ((), ("ceiling",))):
        verdicts = [results.verdict(chain, how, without=without, signal=signal) for chain in results.trained]
        clear, wrong = sum(own.separated for own in verdicts), sum(len(own.contradicted) for own in verdicts)
        prediction = "(1 + noise) x tokens" if signal else "noise x tokens"
        rows.append(
            [
                f"{how}, {prediction}{', without exact values' if without else ''}",
                f"{sum(own.agrees for own in verdicts)} of {len(verdicts)}",
                f"{sum(own.predicted_best in own.fastest for own in verdicts)} of {len(verdicts)}",
                f"{clear - wrong} of {clear}",
                f"{fmean(own.tau for own in verdicts):.2f}",
            ]
        )
    return rows


def noise_rows(results: Results) -> list[dict[str, object]]:
    """Every point of the map."""
    return [
        {
            "chain": chain.title,
            "decisions": chain.decisions,
            "departures": round(departures(chain), 4),
            "success": round(success(chain), 5),
            "method": own.name,
            "noise": found.noise,
            "relative_error": found.error,
            "trajectory_tokens": found.trajectory_tokens,
            "rollout_tokens": found.rollout_tokens,
            "trajectories": found.trajectories,
            "rollouts": found.rollouts,
            "scale": found.scale,
            "scale_error": found.scale_error,
            "cosine": found.cosine,
            "questions": found.questions,
            "times_fewer_tokens": round(results.gain(chain, own.name).times, 4),
            "times_fewer_with_judging": round(results.gain(chain, own.name, judging=chain.length).times, 4),
        }
        for chain in results.chains
        for own in METHODS
        for found in [results.noise[chain.name, own.name]]
    ]


def training_rows(results: Results) -> list[dict[str, object]]:
    """Every method on every chain."""
    return [
        {
            "chain": chain.title,
            "method": name,
            "optimizer": how,
            "rate": found.rate,
            "rate_on_edge": found.on_edge,
            "tokens": round(found.tokens),
            "log_tokens_spread": round(float(found.spread), 4),
            "reached": sum(run.reached for run in found.runs),
            "runs": len(found.runs),
            "updates": round(fmean(run.updates for run in found.runs), 1),
            "foretold_noise_times_tokens": round(results.foretold_cost(chain, name), 1),
        }
        for chain in results.trained
        for how in results.optimizers
        for name in results.trained_methods(chain, how)
        for found in [results.training[chain.name, name, how]]
    ]


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """As CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the header."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])
