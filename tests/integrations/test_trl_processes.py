"""Two processes, as torchrun starts them: one batch, one credit, one policy."""

import json
from pathlib import Path

import pytest
from coin_world import ADVANTAGES

from processes.launching import log_of, start
from started import finish
from vineppo.report.run_data import read_run

WORKER = Path(__file__).with_name("trl_worker.py")


@pytest.mark.slow
def test_two_processes_make_one_batchs_credit(tmp_path: Path):
    """Groups that hold all three ways have exact values, whoever sampled which way; the others' rollouts are shared."""
    codes = finish(start([str(WORKER), str(tmp_path)], 2, tmp_path / "logs"), seconds=500)
    assert codes == [0, 0], log_of(tmp_path / "logs", 0) + log_of(tmp_path / "logs", 1)
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one["weights"] == other["weights"]
    texts, advantages = one["texts"] + other["texts"], one["advantages"] + other["advantages"]
    groups = [range(start, start + 8) for start in (0, 8, 16)]
    whole = [group for group in groups if {texts[place] for place in group} == set(ADVANTAGES)]
    assert groups[1] in whole
    for place in (place for group in whole for place in group):
        known = ADVANTAGES[texts[place]]
        assert advantages[place][: len(known)] == pytest.approx(known, abs=1e-5)
    (line,) = read_run(tmp_path / "run").metrics
    assert line["tokens/trajectories"] == sum(len(ADVANTAGES[text]) for text in texts)
    assert line.get("credit/rollouts", 0) == one["rollouts"]
