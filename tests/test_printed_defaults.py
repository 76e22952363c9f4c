"""What the pages say of defaults and limits is the code's: `credit.critiques` (4) is a setting with its default."""

import re
import tomllib

import pytest
import yaml

from gpu_run.plan import SHARES
from printed import PAGES, ROOT
from vineppo.advisers.settings import TYPICAL_ANSWER
from vineppo.config.keys import describe_keys
from vineppo.config.load import load_config
from vineppo.config.schema import Config, SftConfig
from vineppo.curriculum.buffer import LearnabilityBufferCurriculum
from vineppo.curriculum.per_iteration import LearnabilityCurriculum
from vineppo.doctor import SECONDS, agreement, endings, judge, staleness
from vineppo.engines.torch.recordings import MOST, RECORDING_BYTES
from vineppo.explain import LOOK
from vineppo.recipes.interventions import PART
from vineppo.settings.model_shape import ModelShape, find_shape

TOLD = re.compile(r"`(?P<key>[a-z_]+(?:\.[a-z_]+)*)` \(`?(?P<value>[^`;:,()]+)`?[;)]")
"""A setting's name, and its default in brackets behind it."""
DEFAULTS = [
    pytest.param(page.name, found["key"], found["value"], id=f"{page.name} {found['key']}={found['value']}")
    for page in PAGES
    for found in TOLD.finditer(page.read_text(encoding="utf-8"))
    if re.fullmatch(r"[\d.e-]+|runs/.*|#+", found["value"])
]
KEYS = [*describe_keys(Config), *describe_keys(SftConfig)]


def of(page: str) -> str:
    """A page as one line."""
    return " ".join(next(path for path in PAGES if path.name == page).read_text(encoding="utf-8").split())


def default(config: str = "configs/arithmetic.yaml", *words: str) -> Config:
    return load_config(ROOT / config, words)


def parameters(name: str) -> float:
    """Of a bundled policy, in millions."""
    shape = find_shape(f"bundled:{name}")
    assert isinstance(shape, ModelShape)
    return shape.parameters / 1e6


def test_there_are_defaults_to_check():
    assert len(DEFAULTS) >= 8


@pytest.mark.parametrize(("page", "key", "value"), DEFAULTS)
def test_a_default_is_the_schemas(page: str, key: str, value: str):
    known = [row.default for row in KEYS if row.key == key or ("." not in key and row.key.endswith(f".{key}"))]
    assert known, f"{page} names {key}, which is no setting"
    assert value in [text.strip("'\"") for text in known]


def test_constants_are_the_codes():
    lilo, sfl, config = LearnabilityCurriculum(), LearnabilityBufferCurriculum(), default()
    wanted = default("configs/arithmetic_mixed.yaml")
    machine = SHARES["cuda"]
    for page, words in (
        ("doctor.md", f"{judge.QUESTIONS} gold answers of the test split"),
        ("doctor.md", f"over {1 - judge.FEW_SPELLINGS:.0%}".replace("%", " %") + " of other spellings are refused"),
        ("doctor.md", f"above {agreement.LOOSE:g} nats (warns above {agreement.TIGHT:g})"),
        ("doctor.md", f"more than {staleness.ROUNDING:.0e} nats".replace("e-0", "e-")),
        ("doctor.md", f"{endings.QUESTIONS} responses at full length"),
        ("real_model.md", f"`--seconds` bounds it ({SECONDS:.0f})"),
        ("explain.md", f"least {LOOK} rollouts from a state"),
        ("advisers.md", f"at {TYPICAL_ANSWER} tokens a step"),
        ("recipes.md", f"{PART} questions a file"),
        ("recipes.md", f"tries {lilo.candidates_per_question} times as many questions, {lilo.attempts} attempts each"),
        (
            "recipes.md",
            f"every {sfl.every} iterations {sfl.candidates} questions are tried and the best {sfl.keep} kept",
        ),
        ("instruments.md", f"the mean reward of {config.analysis.truth_rollouts} rollouts from it"),
        ("instruments.md", f"fewer than {config.analysis.distinct} distinct next steps"),
        ("gpu.md", f"At most {MOST} recordings are kept"),
        ("gpu.md", f"{RECORDING_BYTES // 2**20} MiB a recording"),
        ("README.md", f"with {config.batch} trajectories an iteration"),
        ("README.md", f"after {config.training.iterations} iterations"),
        ("README.md", f"a {parameters('arithmetic'):.2f} M-parameter Llama"),
        ("tasks.md", f"`bundled:word_problems` ({parameters('word_problems'):.2f} M parameters"),
        *(("gpu.md", f"| {part} | {share} % |") for part, share in machine.items()),
    ):
        assert words in of(page), f"{page}: {words}"
    assert staleness.WORSE == 5
    assert sfl.share == 0.5
    assert config.processes.timeout == 3600
    assert wanted.task.called == "arithmetic"


def test_versions_are_those_that_are_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least, most = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    assert f"Python 3.{least}-3.{int(most) - 1}" in of("README.md")
    (trl,) = project["optional-dependencies"]["trl"]
    assert f"with TRL {trl.removeprefix('trl>=').partition(',')[0]}, whose" in of("trl.md")


def test_sweeps_vary_what_is_told():
    def axis(name: str, key: str) -> list[object]:
        return yaml.safe_load((ROOT / f"configs/sweeps/{name}.yaml").read_text(encoding="utf-8"))["axes"][key]

    page = of("compare.md")
    assert f"K in {', '.join(map(str, axis('rollouts', 'credit.rollouts')))} |" in page
    assert f"temperature {', '.join(map(str, axis('temperature', 'sampling.temperature')))}," in page
    lengths = [step["length"] for step in axis("steps", "steps") if isinstance(step, dict)]
    assert f"steps of {' and '.join(map(str, lengths))} tokens" in page
