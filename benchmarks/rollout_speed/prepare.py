"""Making a stage: the model's folder, and the trajectories and states that all contenders start from."""

import random

from transformers import PreTrainedModel

from rollout_speed.contenders.ours import make_engine
from rollout_speed.jobs import Prepare
from rollout_speed.models import make_model
from rollout_speed.names import Model, Size, Stage, Variant
from rollout_speed.workload import TokenIds, Workload
from vineppo.policy import load_policy
from vineppo.rng import derive_seed
from vineppo.tasks.arithmetic import Arithmetic
from vineppo.types import Request, Sampling

STOP_SHARE = 32
"""One token of so many ends a rollout of random weights: 1/32 stops at 28 tokens on average where 64 are the limit."""


def prepare(job: Prepare) -> int:
    """Write the stage's folder; the model's number of parameters."""
    model, stage = make_model(job.model, job.place), Stage(folder=job.stage)
    match job.model:
        case Model.ARITHMETIC:
            workload = arithmetic_workload(job.variant, job.size)
        case _:
            workload = random_workload(model, job.variant, job.size)
    stage.folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(stage.model)
    workload.write(stage.workload)
    return sum(parameter.numel() for parameter in model.parameters())


def random_workload(model: PreTrainedModel, variant: Variant, size: Size) -> Workload:
    """Random token ids, branching points drawn without replacement."""
    rng = random.Random(derive_seed("benchmark", "trajectories"))
    vocabulary = model.config.get_text_config().vocab_size
    trajectories = tuple(tuple(rng.choices(range(vocabulary), k=size.length)) for _ in range(size.trajectories))
    ends = rng.sample(range(vocabulary), k=vocabulary // STOP_SHARE) if variant == Variant.STOPPING else []
    return Workload(
        trajectories=trajectories,
        states=tuple(_states(rng, 1, size.length, size.states) for _ in trajectories),
        rollouts=size.rollouts,
        max_new_tokens=size.new_tokens,
        end_ids=tuple(sorted(ends)),
    )


def arithmetic_workload(variant: Variant, size: Size) -> Workload:
    """The bundled policy's own trajectories: as long as it makes them, not `size.length`. States follow the prompt."""
    policy = load_policy("bundled:arithmetic", device="cpu")
    questions = Arithmetic().questions("test")[: size.trajectories]
    prompts = [policy.encode(question.prompt) for question in questions]
    engine = make_engine(policy.model, end_ids=policy.end_ids, rows=64)
    requests = [Request(prefix=prompt, count=1, seed=i) for i, prompt in enumerate(prompts)]
    responses = [group[0].token_ids for group in engine.sample(requests, Sampling(max_new_tokens=128))]
    rng = random.Random(derive_seed("benchmark", "states"))
    return Workload(
        trajectories=tuple(prompt + response for prompt, response in zip(prompts, responses, strict=True)),
        states=tuple(
            _states(rng, len(prompt), len(prompt) + len(response) - 1, size.states)
            for prompt, response in zip(prompts, responses, strict=True)
        ),
        rollouts=size.rollouts,
        max_new_tokens=size.new_tokens,
        end_ids=policy.end_ids if variant == Variant.STOPPING else (),
    )


def _states(rng: random.Random, shortest: int, longest: int, count: int) -> TokenIds:
    """Lengths of prefixes, all different, fewer than `count` where there are not so many."""
    lengths = range(shortest, longest + 1)
    return tuple(sorted(rng.sample(lengths, k=min(count, len(lengths)))))
