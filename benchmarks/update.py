"""The policy update as rows and in packs, beside TRL's loss step and the floor: seconds, memory, gradients.

A question's samples are trajectories and branches, which leave the trajectories evenly: random tokens, so that nothing
is shared but what must be. Every way makes the same update of the same samples, forward, backward and AdamW, one way
after the other, `--repeats` times; the fastest counts. TRL's GRPOTrainer gets its samples in order of length, too.
A star marks the way that the learner takes by itself, by counting operations.

    python benchmarks/update.py                                 bundled policies and the 135 M shape: half an hour
    python benchmarks/update.py --cases llama-135m:300 --ways rows packs
    python benchmarks/update.py --device cuda --dtype bfloat16 --cases qwen-0.5b:300 --ways rows packs

CPU seconds are of all threads: they hold on a machine that does other work, too. The floor: operations of the distinct
tokens, forward and backward, at the rate of a large matrix product on the same threads at the same time.
"""

import argparse
import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from rollout_speed import memory
from rollout_speed.floor import Shape
from rollout_speed.measure import model_shape
from rollout_speed.models import make_model
from rollout_speed.names import Model, Place
from trl_update import trl_update
from vineppo.learner.learner import Learner
from vineppo.learner.logprobs import TokenLogprobs
from vineppo.learner.packable import costs_of
from vineppo.learner.packs import count_nodes
from vineppo.learner.passes import Passes
from vineppo.policy import DTYPES, load_policy
from vineppo.settings.learner import LearnerConfig
from vineppo.settings.operations import Costs
from vineppo.types import Sample

MIB = 2**20
CPU_CASES = (
    "bundled:arithmetic:20",
    "bundled:registers:45",
    "bundled:word_problems:60",
    "llama-135m:60",
    "llama-135m:300",
)
WAYS = ("rows", "packs", "trl")
CONTEXT = 2048
WHATEVER = Costs(token=1, pair=0, layers=0)
"""By which whatever shares a token is packed."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Samples of some questions: trajectories, then branches."""

    trajectories: Sequence[Sample]
    branches: Sequence[Sample]

    @property
    def samples(self) -> list[Sample]:
        """All."""
        return [*self.trajectories, *self.branches]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cases", nargs="+", default=CPU_CASES, metavar="POLICY:PROMPT", help="tokens of the prompt behind the policy")
    add("--ways", nargs="+", choices=WAYS, default=WAYS)
    add("--questions", type=int, default=1)
    add("--trajectories", type=int, default=4, help="of a question (4)")
    add("--branches", type=int, default=20, help="of a question (20)")
    add("--response", type=int, default=100, help="tokens of a trajectory (100); branches end where it ends")
    add("--micro-batch", type=int, default=16)
    add("--repeats", type=int, default=2)
    add("--threads", type=int, default=torch.get_num_threads())
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--dtype", choices=tuple(DTYPES), default="float32")
    return parser.parse_args()


def model_of(policy: str, device: str) -> PreTrainedModel:
    """A bundled policy, or random weights of a shape."""
    match policy:
        case "llama-135m":
            torch.manual_seed(0)
            config = LlamaConfig(
                vocab_size=49_152,
                hidden_size=576,
                intermediate_size=1536,
                num_hidden_layers=30,
                num_attention_heads=9,
                num_key_value_heads=3,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
            )
            return LlamaForCausalLM(config).to(device).eval()  # pyright: ignore[reportArgumentType]
        case "qwen-0.5b":
            return make_model(Model.HALF_B, Place(device=device, dtype="float32"))
        case _:
            return load_policy(policy, device=device).model


def make_workload(asked: argparse.Namespace, *, prompt: int, vocabulary: int) -> Workload:
    """Branches leave the trajectories in turn, at evenly spread places."""
    rng = random.Random(0)

    def sample(before: Sequence[int], length: int) -> Sample:
        return Sample(
            token_ids=(*before, *(rng.randrange(vocabulary) for _ in range(length))),
            prompt_length=len(before),
            logprobs=(-1.0,) * length,
            advantages=tuple(rng.gauss(0, 1) for _ in range(length)),
        )

    own, branches = [], []
    for _ in range(asked.questions):
        question = tuple(rng.randrange(vocabulary) for _ in range(prompt))
        group = [sample(question, asked.response) for _ in range(asked.trajectories)]
        own += group
        for place in range(asked.branches):
            at = asked.response * place // asked.branches
            before = group[place % len(group)].token_ids[: prompt + at]
            branches.append(sample(before, asked.response - at))
    return Workload(trajectories=own, branches=branches)


Update = Callable[[Workload], object]


def our_update(model: PreTrainedModel, asked: argparse.Namespace, *, packed: bool) -> Update:
    """One update of ours."""
    costs = WHATEVER if packed else None
    settings = LearnerConfig(minibatch=10_000, epochs=1, kl_coefficient=0, learning_rate=1e-12)
    learner = Learner(
        TokenLogprobs(model, temperature=1.0, chunk=1024, dtype=DTYPES[asked.dtype]),
        None,
        settings,
        updates=100,
        passes=Passes(rows=asked.micro_batch, costs=costs),
    )
    return lambda work: learner.update(work.trajectories, branches=work.branches, seed=0)


def taken(model: PreTrainedModel, asked: argparse.Namespace, work: Workload) -> str:
    """The way that the learner takes."""
    passes = Passes(rows=asked.micro_batch, costs=costs_of(model, context=CONTEXT))
    return "packs" if passes.deal(work.samples, range(len(work.samples))).packed else "rows"


def peer_update(model: PreTrainedModel, asked: argparse.Namespace) -> Update:
    """One update of TRL's."""
    step = trl_update(model, micro_batch=asked.micro_batch)
    return lambda work: step(work.samples)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The fastest of several."""

    seconds: float
    cpu: float
    """Of all threads."""
    bytes: int
    """More than before, at the peak."""


def measure(update: Update, work: Workload, *, device: str, repeats: int) -> Measured:
    """Once with a single trajectory, which makes the optimizer's moments, then `repeats` times."""
    update(Workload(trajectories=work.trajectories[:1], branches=[]))
    gc.collect()
    memory.reset_peak(device)
    before, found = memory.held(device), list[tuple[float, float]]()
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        update(work)
        if device == "cuda":
            torch.cuda.synchronize()
        found.append((time.perf_counter() - began, time.process_time() - cpu))
    seconds, processor = (min(times) for times in zip(*found, strict=True))
    return Measured(seconds=seconds, cpu=processor, bytes=memory.peak(device) - before)


def floor_operations(shape: Shape, samples: Sequence[Sample]) -> int:
    """Of each distinct token once, forward and backward; log-probs of each distinct response token."""
    seen, responses, pairs = set[tuple[int, ...]](), set[tuple[int, ...]](), 0
    for sample in samples:
        for length in range(1, len(sample.token_ids) + 1):
            prefix = sample.token_ids[:length]
            pairs += length if prefix not in seen else 0
            seen.add(prefix)
            if length > sample.prompt_length:
                responses.add(prefix)
    forward = 2 * shape.layer_weights * len(seen) + 2 * shape.output_weights * len(responses) + shape.attention * pairs
    return 3 * forward


def product_rate(device: str, dtype: torch.dtype) -> float:
    """Operations a CPU second (on GPUs: a second) of a large matrix product."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    size, best = (8192 if device == "cuda" else 1024), 0.0
    left = torch.randn(size, size, device=device).to(dtype)
    for _ in range(5):
        began = clock()
        torch.mm(left, left)
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (clock() - began))
    return best


def main() -> None:
    """A table."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    print("| case | tokens given | distinct | way | seconds | CPU seconds | MiB | speed-up | times the floor |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in asked.cases:
        policy, prompt = case.rsplit(":", 1)
        model = model_of(policy, asked.device)
        config = model.config.get_text_config()
        work = make_workload(asked, prompt=int(prompt), vocabulary=config.vocab_size)
        given, distinct = sum(len(sample.token_ids) for sample in work.samples), count_nodes(work.samples)
        operations = floor_operations(model_shape(config, value_bytes=4), work.samples)
        first, chosen = None, taken(model, asked, work)
        for way in asked.ways:
            update = peer_update(model, asked) if way == "trl" else our_update(model, asked, packed=way == "packs")
            floor = operations / product_rate(asked.device, DTYPES[asked.dtype])
            found = measure(update, work, device=asked.device, repeats=asked.repeats)
            cost = found.seconds if asked.device == "cuda" else found.cpu
            first = first or cost
            mark = "*" if way == chosen else ""
            print(
                f"| {case} | {given:,} | {distinct:,} | {way}{mark} | {found.seconds:.3g} | {found.cpu:.3g} "
                f"| {found.bytes / MIB:,.0f} | {first / cost:.2f} | {cost / floor:.1f} |",
                flush=True,
            )
            del update
            gc.collect()


if __name__ == "__main__":
    main()
