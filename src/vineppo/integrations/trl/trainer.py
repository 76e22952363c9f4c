"""TRL's GRPOTrainer, whose advantages say which step earned the reward.

    TRL samples and scores completions     super()._generate_and_score_completions
    completions -> steps                   the segmenter
    steps       -> rollouts, judged        TRL's generation and reward functions, behind our Engine and Task
    values      -> credit                  our credit assigners, unchanged
    credit      -> advantages [B T]        which GRPOTrainer's loss takes as it takes [B]

Two of TRL's methods are overridden, and nothing of its loop, loss or generation. Every process holds the whole batch
and makes the same credit of it; rollouts and their judging are shared out (`shares`). Evaluation keeps TRL's own
advantages: nothing is learned there, and rollouts would be wasted.
"""

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vineppo.chat import prompt_reader, response_decoder
from vineppo.credit.build import build_assigner
from vineppo.credit.normalise import normalised
from vineppo.credit.settings import CreditParts, CreditSettings
from vineppo.engines.prefixes import TokenIds
from vineppo.environment import Environment, Truncation
from vineppo.errors import UserError
from vineppo.integrations.trl.base import GRPOTrainer
from vineppo.integrations.trl.engine import TrlEngine, end_ids
from vineppo.integrations.trl.law import TrainedLaw
from vineppo.integrations.trl.record import Recorder
from vineppo.integrations.trl.settings import (
    check_server,
    check_settings,
    images_problem,
    needs_law,
    samples_rollouts,
    sampling_of,
    takes_trls_own,
)
from vineppo.integrations.trl.shares import processes_of
from vineppo.integrations.trl.step_values import step_values
from vineppo.integrations.trl.task import Asked, TrlTask, judgements
from vineppo.recipes.scoring import cut
from vineppo.rng import derive_seed
from vineppo.steps import Pieces
from vineppo.steps.settings import StepsSettings
from vineppo.steps.whole import WholeSteps
from vineppo.types import Credit, Finish, Scored, Trajectory

Batch = dict[str, Any]
"""TRL's: tensors of this process's completions, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What TRL says of a batch while it scores it."""

    rows: Sequence[dict[str, Any]]
    """Of the data set, this process's."""
    prompts: Sequence[object]
    """Text or messages, as the policy was asked."""
    completion_ids: Sequence[Sequence[int]]
    """This process's."""
    rewards: Tensor
    """[B F] of all processes; nan where a function says nothing."""


class CreditGRPOTrainer(GRPOTrainer):
    """GRPOTrainer with a few more arguments; all others are its own, and do what they do there.

    credit: the settings of a method, e.g. VineCredit(rollouts=9). steps: how completions are cut,
    e.g. LinesSteps(); None: not at all. together: rollouts that `generate` samples side by side on a device; None: as
    many as TRL does completions. `args.output_dir` becomes a run directory too, with a report, and for
    `vineppo compare`. Raises UserError for settings that cannot work, before a model is loaded.
    """

    _tag_names = ["trl", "grpo", "vineppo"]  # noqa: RUF012 - as the base class declares it

    def __init__(
        self,
        *given: Any,
        credit: CreditSettings,
        steps: StepsSettings | None = None,
        together: int | None = None,
        **named: Any,
    ):
        # Handed on as they come: the arguments are TRL's, and listing them here would freeze them.
        arguments = inspect.signature(GRPOTrainer.__init__).bind_partial(self, *given, **named).arguments
        self.credit: CreditSettings = credit
        self.steps: StepsSettings = WholeSteps() if steps is None else steps
        check_settings(self.credit, self.steps, arguments)
        super().__init__(*given, **named)
        if self.use_vllm and self.vllm_mode == "server" and self.accelerator.is_main_process:
            info = self.vllm_generation.vllm_client.get_server_info()
            check_server(self.credit, self.steps, info["model_config"]["logprobs_mode"])
        processes = processes_of(rank=self.accelerator.process_index, count=self.accelerator.num_processes)
        self._processes = processes
        self._law = TrainedLaw(self, processes)
        self._sampling = sampling_of(self.args)
        environment = Environment(
            engine=TrlEngine(self, self._law, processes, together=together),
            task=TrlTask(self, super()._calculate_rewards, processes),
            encode=_never,
            decode=response_decoder(self._tokenizer, end_ids(self)),
            truncation=Truncation(reward=None),  # reward functions see them all, as in TRL
        )
        self._segment = self.steps.build()
        self._decode = environment.decode
        self._token_texts = Pieces(environment.decode)
        self._read_prompt = prompt_reader(self._tokenizer)
        self._assign = build_assigner(self.credit, CreditParts(environment=environment, sampling=self._sampling))
        self._judged: Judged | None = None
        self._recorder = Recorder(self)
        self.add_callback(self._recorder)

    def _calculate_rewards(self, inputs: list, prompts: list, completions: list, completion_ids_list: list) -> Tensor:
        """TRL's, remembered: its batch does not tell them."""
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._judged = Judged(rows=inputs, prompts=prompts, completion_ids=completion_ids_list, rewards=rewards)
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        """TRL's batch, with our advantages."""
        began = time.monotonic()
        batch = super()._generate_and_score_completions(inputs)
        judged, self._judged = self._judged, None
        assert judged is not None, "TRL scores what it generates"
        if not self.model.training:
            self._recorder.evaluated(self._processes.join([len(ids) for ids in judged.completion_ids]))
            self._log_steps([None] * len(judged.rewards))  # TRL's columns are of one length
            return batch
        if "num_images" in batch and samples_rollouts(self.credit):
            raise UserError(images_problem(self.credit, "this batch has images"))
        sampled = time.monotonic()
        scored = self._scored(batch, judged)
        credits = self._credits(scored, batch)
        self._teach(batch, normalised(credits, self.credit.normalise))
        self._tell(scored, credits, seconds=(sampled - began, time.monotonic() - sampled))
        return batch

    def _scored(self, batch: Batch, judged: Judged) -> list[Scored]:
        """The completions of all processes, judged and cut."""
        trajectories = self._processes.join(self._trajectories(batch, judged))
        found = judgements(judged.rewards, self.reward_weights)
        return [
            cut(self._segment, self._token_texts, trajectory, judgement)
            for trajectory, judgement in zip(trajectories, found, strict=True)
        ]

    def _trajectories(self, batch: Batch, judged: Judged) -> list[Trajectory]:
        """This process's completions."""
        before, ended = self._processes.rank * len(judged.rows), end_ids(self)
        asked = questions_of(batch, judged)
        responses = [tuple(ids) for ids in judged.completion_ids]
        logprobs = self._logprobs(batch, [own.prompt_ids for own in asked], responses)
        return [
            Trajectory(
                question=own.question(str((before + place) // self.num_generations)),
                prompt_ids=own.prompt_ids,
                response_ids=response,
                logprobs=logprobs[place],
                text=self._decode(response),
                finish=Finish.TERMINATED if response[-1] in ended else Finish.TRUNCATED,
                policy_version=self.state.global_step,
            )
            for place, (own, response) in enumerate(zip(asked, responses, strict=True))
        ]

    def _logprobs(
        self, batch: Batch, prompts: Sequence[TokenIds], responses: Sequence[TokenIds]
    ) -> list[tuple[float, ...]]:
        """Per completion, [T] under the sampling law: vLLM's own, else the model's; nan where no method asks."""
        if not needs_law(self.credit, self.steps):
            return [(nan,) * len(response) for response in responses]
        told = batch.get("sampling_per_token_logps")
        if told is None or bool(told.isnan().any()):  # a number that vLLM could not tell
            pairs = zip(prompts, responses, strict=True)
            return [self._law.logprobs(prompt, response, self._sampling) for prompt, response in pairs]
        return [tuple(own[: len(response)].tolist()) for own, response in zip(told, responses, strict=True)]

    def _credits(self, scored: Sequence[Scored], batch: Batch) -> list[Credit]:
        """One per completion. GRPO's are TRL's own numbers, to the last bit."""
        if takes_trls_own(self.credit):
            advantages = self._processes.join(batch["advantages"].tolist())
            return [spread_out(advantage, own) for advantage, own in zip(advantages, scored, strict=True)]
        kept = [own for own in scored if not own.judgement.left_out]
        update, part = self.state.global_step, self._step % self.args.gradient_accumulation_steps
        seed = derive_seed(self.args.seed, "credit", update, part)
        credits = iter(self._assign(kept, seed=seed) if kept else [])
        return [spread_out(0.0, own) if own.judgement.left_out else next(credits) for own in scored]

    def _teach(self, batch: Batch, credits: Sequence[Credit]) -> None:
        """Put this process's advantages into the batch, and what does not learn out of the loss and its mean."""
        ids = batch["completion_ids"]
        own = credits[self._processes.rank * len(ids) : (self._processes.rank + 1) * len(ids)]
        batch["advantages"] = padded([credit.advantages for credit in own], like=ids)
        if any(credit.mask is not None for credit in credits):
            learning = padded([credit.mask or (True,) * len(credit.advantages) for credit in own], like=ids)
            tools = batch.get("tool_mask")  # the mask that TRL's loss heeds besides that of padding
            batch["tool_mask"] = learning.to(ids.dtype) if tools is None else tools * learning.to(tools.dtype)
            learns = (batch["completion_mask"] * batch["tool_mask"]).sum()
            batch["num_items_in_batch"] = self.accelerator.gather(learns).sum()

    def _tell(self, scored: Sequence[Scored], credits: Sequence[Credit], *, seconds: tuple[float, float]) -> None:
        """To TRL's metrics and table of completions, and to the run directory."""
        metrics = self._recorder.generated(scored, credits, self._token_texts, self._read_prompt, seconds=seconds)
        for name, value in metrics.items():
            if name.startswith(("credit/", "steps/", "tokens/rollouts", "time/credit")):
                self._metrics["train"][name].append(value)
        for _ in credits:
            self._logs["advantages"].pop()  # TRL's, which nothing is trained on
        self._logs["advantages"].extend(fmean(credit.advantages) for credit in credits)
        self._log_steps(
            [step_values(own, credit, self._token_texts) for own, credit in zip(scored, credits, strict=True)]
        )

    def _log_steps(self, texts: Sequence[str | None]) -> None:
        if self.log_completions:
            self._logs["extra"]["steps"].extend(texts)


def questions_of(batch: Batch, judged: Judged) -> list[Asked]:
    """One per completion."""
    rows = zip(judged.rows, judged.prompts, batch["prompt_ids"], batch["prompt_mask"], strict=True)
    return [
        Asked(row=row, prompt=prompt, prompt_ids=tuple(ids[mask.bool()].tolist())) for row, prompt, ids, mask in rows
    ]


def spread_out(advantage: float, scored: Scored) -> Credit:
    """The same for all tokens."""
    return Credit(advantages=(advantage,) * len(scored.trajectory.response_ids))


def padded(rows: Sequence[Sequence[float]], *, like: Tensor) -> Tensor:
    """[B T] of numbers, 0 where `like` [B T] has padding."""
    whole = torch.zeros(like.shape, device=like.device)
    for place, row in enumerate(rows):
        whole[place, : len(row)] = torch.tensor(row, device=like.device)
    return whole


def _never(prompt: object) -> TokenIds:
    raise NotImplementedError("TRL encodes its prompts itself")
