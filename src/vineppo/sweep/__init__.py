"""Studies: every run of a sweep in turn, then their comparison.

A run that is finished is left alone, one that was stopped is continued, so the same command takes up where it was.
"""

from collections.abc import Sequence

from vineppo.config.estimate import align, estimate
from vineppo.sweep.plan import Planned

COMPARISON = "comparison"


def run_sweep(plan: Sequence[Planned]) -> bool:
    """All runs, then the comparison's page and tables. False when interrupted."""
    from vineppo.compare import compare_runs
    from vineppo.trainer import Trainer  # torch takes seconds

    for number, planned in enumerate(plan, 1):
        title = f"run {number}/{len(plan)}  {planned.name}"
        if planned.is_finished:
            print(f"{title}  finished already")
            continue
        print(title)
        if not Trainer(planned.config, resume=True).train().finished:
            return False
    compare_runs([planned.directory.root for planned in plan], plan[0].directory.root.parent / COMPARISON)
    return True


def describe(plan: Sequence[Planned]) -> str:
    """What would be run, what is done already, and what the rest costs."""
    rows: list[Sequence[str]] = [("run", "done", "of", "tokens to decode", "at most", "updates")]
    tokens, at_most = 0, 0
    for planned in plan:
        cost, total = estimate(planned.config), planned.config.training.iterations
        done = total if planned.is_finished else planned.iterations_done
        left = 1 - done / total
        tokens, at_most = tokens + round(cost.tokens * left), at_most + round(cost.at_most * left)
        numbers = (done, total, round(cost.tokens * left), round(cost.at_most * left), round(cost.updates * left))
        rows.append((planned.name, *(f"{number:,}" for number in numbers)))
    rows.append(("total", "", "", f"{tokens:,}", f"{at_most:,}", ""))
    assumed = dict.fromkeys(line for planned in plan for line in estimate(planned.config).assumptions)
    return "\n".join([*align(rows), "", *assumed])
