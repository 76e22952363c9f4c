"""Does it compute the same there? Gradients, greedy decoding, `vineppo doctor`."""

import copy
import random
from pathlib import Path

import torch
from transformers import PreTrainedModel

from gpu_run.assignment import Assignment, Dtype
from gpu_run.launch import ROOT
from gpu_run.results import Sheet, failure
from gpu_run.staged import staged_model
from rollout_speed.models import make_model
from rollout_speed.names import Model, Place
from vineppo.config.load import load_config
from vineppo.doctor import STAGES, examine
from vineppo.doctor.budget import Budget
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.recordings import choose_capture
from vineppo.learner.batch import collate
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.losses import ppo_clip_loss
from vineppo.policy import DTYPES, cast, load_policy
from vineppo.progress import Display
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.types import Request, Sample, Sampling

GRADIENTS, GREEDY = "Gradients of the update, beside float32 on the CPU", "Greedy decoding beside `generate`"
DOCTOR, DOCTOR_SECONDS = "`vineppo doctor`", 60.0
ERROR: dict[Dtype, float] = {"float32": 1e-3, "bfloat16": 0.1}
"""Relative, of the whole gradient, above which it is another one."""
QUESTIONS, NEW_TOKENS = {"cuda": 8, "cpu": 3}, {"cuda": 96, "cpu": 40}


def measure(assignment: Assignment, sheet: Sheet) -> None:
    """Cheap and telling first."""
    for dtype in assignment.dtypes:
        compare_gradients(assignment, dtype, sheet)
    for dtype in assignment.dtypes:
        compare_greedy(assignment, dtype, sheet)
    consult(assignment, sheet)


def compare_gradients(assignment: Assignment, dtype: Dtype, sheet: Sheet) -> None:
    """The same loss of the same samples, there and on the CPU."""
    model = make_model(Model.TINY, Place(device="cpu", dtype="float32"))
    samples = random_samples(model.config.get_text_config().vocab_size)
    expected = gradient(model, samples, "float32")
    found = gradient(copy.deepcopy(model).to(assignment.device), samples, dtype)
    error = float((found - expected).norm() / expected.norm())
    verdict = "ok" if error < ERROR[dtype] else f"too far: at most {ERROR[dtype]:g}"
    row = {"dtype": dtype, "numbers": expected.numel(), "relative error": error, "verdict": verdict}
    sheet.put(GRADIENTS, row)


def random_samples(vocabulary: int, count: int = 8) -> list[Sample]:
    """Ragged, with advantages of either sign."""
    rng = random.Random(0)
    samples = []
    for _ in range(count):
        prompt, response = rng.randint(4, 20), rng.randint(5, 60)
        samples.append(
            Sample(
                token_ids=tuple(rng.randrange(vocabulary) for _ in range(prompt + response)),
                prompt_length=prompt,
                logprobs=(0.0,) * response,
                advantages=tuple(rng.gauss(0, 1) for _ in range(response)),
            )
        )
    return samples


def gradient(model: PreTrainedModel, samples: list[Sample], dtype: Dtype) -> torch.Tensor:
    """Of the PPO-clip loss, all parameters in a row, on the CPU."""
    scorer = TokenLogprobs(model, temperature=1.0, chunk=64, dtype=DTYPES[dtype])
    batch = collate(samples, device=model.device)
    logprobs, _ = scorer(batch)
    advantages = torch.tensor([a for sample in samples for a in sample.advantages], device=model.device)
    ppo_clip_loss(logprobs - logprobs.detach(), advantages, clip=0.2).mean().backward()
    return torch.cat([p.grad.float().cpu().flatten() for p in model.parameters() if p.grad is not None])


def compare_greedy(assignment: Assignment, dtype: Dtype, sheet: Sheet) -> None:
    """A trained policy on questions of its own. In bfloat16 two near-equal tokens may change places."""
    policy = load_policy("bundled:arithmetic", device=assignment.device)
    model = cast(policy.model, DTYPES[dtype])
    prompts = [
        policy.encode(question.prompt) for question in Arithmetic().questions("test")[: QUESTIONS[assignment.device]]
    ]
    capture, most = choose_capture(model.device, None), NEW_TOKENS[assignment.device]
    engine = TorchEngine(model, end_ids=policy.end_ids, context=policy.context, rows=64, capture=capture)
    requests = [Request(prefix=prompt, count=1, seed=0) for prompt in prompts]
    groups = engine.sample(requests, Sampling(temperature=0, max_new_tokens=most))
    same = total = 0
    for prompt, (completion,) in zip(prompts, groups, strict=True):
        ids = torch.tensor([prompt], device=model.device)
        whole = model.generate(  # pyright: ignore[reportCallIssue]
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=most,
            eos_token_id=list(policy.end_ids),
            pad_token_id=0,
        )
        theirs = whole[0, len(prompt) :].tolist()
        total += len(theirs)
        same += next(
            (at for at, (a, b) in enumerate(zip(completion.token_ids, theirs, strict=False)) if a != b),
            min(len(theirs), len(completion.token_ids)),
        )
    share = same / total
    verdict = "ok" if share == 1 or (dtype == "bfloat16" and share > 0.8) else "differs"
    sheet.put(GREEDY, {"dtype": dtype, "tokens": total, "equal up to the first other": share, "verdict": verdict})


def consult(assignment: Assignment, sheet: Sheet) -> None:
    """The doctor, on the smallest random-weight model and on a real one where there is one."""
    size = assignment.sizes[0]
    examine_into(sheet, f"{size}, random weights", small_words(assignment, staged_model(assignment, size)))
    if assignment.model is not None:
        examine_into(sheet, Path(assignment.model).name, real_words(assignment, assignment.model))


def small_words(assignment: Assignment, folder: Path) -> list[str]:
    """A config and overrides."""
    place = [f"policy.dtype={assignment.place.dtype}", f"policy.device={assignment.device}"]
    few = ["engine.rows=64", "engine.memory_gib=1", "sampling.max_new_tokens=32", "task.train_questions=100"]
    return [str(ROOT / "configs/arithmetic.yaml"), f"policy.path={folder}", *place, *few]


def real_words(assignment: Assignment, model: str) -> list[str]:
    """With its own task where data was given, else with ours."""
    place = [f"policy.path={model}", f"policy.dtype={assignment.place.dtype}", f"policy.device={assignment.device}"]
    if assignment.data is None:
        return [str(ROOT / "configs/arithmetic.yaml"), *place]
    own = ["engine=torch", "task.chat=null", f"task.path={assignment.data}"]
    return [str(ROOT / "configs/qwen_gsm8k.yaml"), *place, *own]


def examine_into(sheet: Sheet, name: str, words: list[str]) -> None:
    """Its findings as rows."""
    path, *overrides = words
    try:
        config = load_config(Path(path), overrides)
        with Display(STAGES, unit="check") as display:
            findings = examine(config, display, Budget(DOCTOR_SECONDS)).findings
    except Exception as error:  # a check that breaks is a finding, and the suite has yet to run
        sheet.put(DOCTOR, {"model": name, "check": "doctor", "verdict": "FAIL", "found": failure(error)}, keys=2)
        return
    for finding in findings:
        row = {"model": name, "check": finding.check, "verdict": str(finding.verdict), "found": finding.found}
        sheet.put(DOCTOR, row, keys=2)
