"""`transformers.generate`: rows of similar length padded to one batch, the batch size its best of several."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from rollout_speed.workload import TokenIds, Workload

PAD = 0


def sampler(model: PreTrainedModel, workload: Workload, *, rows: int) -> Callable[[Workload, int], list[int]]:
    """See `ours.sampler`."""

    def sample(part: Workload, seed: int) -> list[int]:
        torch.manual_seed(seed)
        prefixes = [prefix for prefix in part.prefixes for _ in range(part.rollouts)]
        order = sorted(range(len(prefixes)), key=lambda row: len(prefixes[row]))
        lengths = [0] * len(prefixes)
        for start in range(0, len(prefixes), rows):
            batch = order[start : start + rows]
            for row, length in zip(batch, _decode(model, [prefixes[row] for row in batch], part), strict=True):
                lengths[row] = length
        return lengths

    return sample


@torch.inference_mode()
def _decode(model: PreTrainedModel, prefixes: list[TokenIds], workload: Workload) -> list[int]:
    """Decoded tokens of each row, those after its first end token not counted."""
    width = max(map(len, prefixes))
    ids = torch.tensor([(PAD,) * (width - len(prefix)) + prefix for prefix in prefixes])
    mask = torch.tensor([(0,) * (width - len(prefix)) + (1,) * len(prefix) for prefix in prefixes])
    new = model.generate(  # pyright: ignore[reportCallIssue]
        ids.to(model.device),
        attention_mask=mask.to(model.device),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=workload.max_new_tokens,
        eos_token_id=list(workload.end_ids) or None,
        pad_token_id=PAD,
    )[:, width:]
    ended = torch.isin(new, new.new_tensor(workload.end_ids)).cumsum(-1)
    before_end = (ended == 0).sum(-1)
    return (before_end + (before_end < new.shape[-1])).tolist()
