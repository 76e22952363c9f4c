"""The catalogue of metrics: every name that can stand in metrics.jsonl, with its meaning and unit.

Names follow TRL where it has one. One line of metrics.jsonl is one iteration. Line 0 holds the evaluation of the
starting policy. A metric is absent where it was not measured, never a made-up 0.
"""

from collections.abc import Sequence
from statistics import fmean

Metrics = dict[str, float]

LOGGED = "logged/"
"""How the names begin that reward functions give to `log_metric`; the mean over their calls in an iteration, those for
rollouts and evaluation included."""

CATALOGUE: dict[str, str] = {
    "iteration": "iterations finished",
    "updates": "optimizer steps so far, those whose result was thrown away (RestEM's later epochs) included",
    "updates_made": "optimizer steps of this iteration, the skipped ones included",
    "reward": "mean reward of this iteration's trajectories",
    "reward_std": "mean over questions of the reward's standard deviation within the group",
    "frac_reward_zero_std": "share of questions whose trajectories all got the same reward: they teach GRPO nothing",
    "outcome/correct": "share of trajectories judged correct",
    "outcome/wrong": "share judged wrong",
    "outcome/unparseable": "share with no readable answer",
    "outcome/timeout": "share whose judging took too long or too much memory, reward 0",
    "outcome/truncated": "share cut off by the length limit and not judged, see task.truncated",
    "outcome/failed": "share whose scorer raised or gave no finite number, reward 0",
    "outcome/scored": "share scored by a reward function",
    "completions/mean_length": "tokens per trajectory",
    "completions/clipped_ratio": "share of trajectories cut off by the length limit",
    "completions/left_out": "share cut off and left out of loss and baseline (task.truncated); absent where none was",
    "steps/mean": "steps per trajectory",
    "credit/states": "distinct states measured",
    "credit/rollouts": "rollouts sampled",
    "credit/rollouts_truncated": "share of rollouts cut off by the length limit",
    "credit/branches": "rollouts learned from, whose advantage is not 0; of credit=spo_tree, edges of no trajectory",
    "credit/advantage_std": "standard deviation of the advantages over tokens, before they are normalised",
    "credit/significant": "share of steps whose advantage is more than two standard errors from 0",
    "credit/critiques": "critiques written of responses (credit=capo); responses that are the same have the same",
    "credit/critiques_unparseable": "share of critiques that cannot be read, and so name no step",
    "credit/wrong_steps": "steps that a critique names wrong, mean over the readable ones",
    "credit/tokens_learning": "share of response tokens that credit.mask_above leaves to learn",
    "replay/samples": "stretches of one advantage learned from in this iteration",
    "replay/older": "share of them that an earlier iteration sampled",
    "replay/waiting": "stretches left for later iterations",
    "curriculum/candidates": "questions tried, to see what they can teach; absent where none were in this iteration",
    "curriculum/success_0": "share of candidates that no attempt solved",
    "curriculum/success_0_25": "share solved by more than none and less than a quarter of the attempts",
    "curriculum/success_25_50": "share solved by a quarter or more and less than half",
    "curriculum/success_50_75": "share solved by half or more and less than three quarters",
    "curriculum/success_75_100": "share solved by three quarters or more and less than all",
    "curriculum/success_100": "share that every attempt solved",
    "curriculum/teaches_nothing": "share of candidates whose attempts all got the same reward (p is 0 or 1)",
    "curriculum/learnability": "mean variance p (1 - p) of the candidates chosen, at most 0.25",
    "curriculum/buffer": "learnable questions in the buffer",
    "curriculum/from_buffer": "share of this iteration's questions that came from the buffer",
    "rest_em/kept": "responses finetuned on: accepted, distinct, at most recipe.kept a question",
    "rest_em/questions_kept": "share of questions with such a response",
    "dpo/pairs": "pairs of an accepted and a rejected response to one question",
    "dpo/questions_paired": "share of questions with such a pair",
    "int/wrong": "attempts that failed, with a reference to show the adviser (recipe=int)",
    "int/proposed": "of those, how many got an intervention that can be read and does not give the answer away",
    "int/verified": "interventions with at least one successful continuation: these are finetuned on",
    "int/success": "share of continuations that succeed",
    "int/localisers_agree": "share of attempts whose adviser and values name the same step, where both name one",
    "loss/likelihood": "negative log-likelihood, mean over tokens, over the iteration's updates",
    "loss/preference": "DPO-Positive's loss, mean over pairs, over the iteration's updates",
    "rewards/chosen": "mean over pairs of beta times the accepted response's log-ratio to the policy that sampled",
    "rewards/rejected": "the same for the rejected response",
    "rewards/margins": "their difference",
    "rewards/accuracies": "share of pairs whose accepted response gained more",
    "rewards/penalised": "share of pairs whose accepted response became no more probable",
    "loss/policy": "PPO-clip loss, mean over the tokens that learn",
    "kl": "k3 estimate of KL(policy || starting policy), summed over tokens, mean over trajectories",
    "entropy": "mean entropy of the policy at the sampled tokens, nats; idle tails left out (learner.skip_idle)",
    "ratio/mean": "mean probability ratio new / old, of the same tokens",
    "ratio/clipped": "share of tokens whose ratio is outside the clip range",
    "sampler_kl": "mean over tokens of log-prob when sampled minus log-prob in the learner before the "
    "iteration's updates: 0 when both agree",
    "grad_norm": "gradient norm before clipping, mean over updates",
    "learning_rate": "at the last update",
    "updates_skipped": "updates of this iteration skipped because the mean ratio exceeded ratio_guard",
    "updates_nonfinite": "updates of this iteration skipped because the gradient was not finite",
    "critic/loss": "clipped value loss, token mean",
    "critic/explained_variance": "1 - variance of (return - value) / variance of return, before the update",
    "critic/grad_norm": "gradient norm before clipping, mean over updates",
    "critic/updates_nonfinite": "critic updates of this iteration skipped because the gradient was not finite",
    "tokens/trajectories": "tokens decoded for trajectories in this iteration",
    "tokens/rollouts": "tokens decoded for rollouts in this iteration",
    "tokens/critiques": "tokens decoded for critiques in this iteration, by the critic, those kept from before too",
    "tokens/proposals": "tokens decoded for interventions in this iteration, by the adviser",
    "tokens/curriculum": "tokens decoded for attempts that were not trained on; those that were are trajectories",
    "tokens/validation": "tokens decoded for validation in this iteration",
    "tokens/evaluation": "tokens decoded for evaluation in this iteration",
    "num_tokens": "tokens decoded so far, for anything",
    "trained_tokens": "tokens that went through the updates of this iteration, each as often as it did",
    "time/curriculum": "seconds trying questions, judging included",
    "time/sample": "seconds sampling trajectories",
    "time/judge": "seconds judging and cutting trajectories",
    "time/credit": "seconds assigning credit, rollouts included",
    "time/update": "seconds updating",
    "time/validate": "seconds validating, to choose RestEM's epoch",
    "time/evaluate": "seconds evaluating",
    "time/checkpoint": "seconds saving the checkpoint before this iteration",
    "time/iteration": "seconds for the whole iteration, without saving",
    "time/total": "seconds so far, over all resumes, saving included",
    "validation/accuracy": "mean reward on the held-out training questions, of the epoch taken",
    "validation/best_epoch": "the epoch taken",
    "validation/epochs": "epochs made before stopping",
    "eval/accuracy": "mean reward on the test questions",
    "eval/reward": "the same, where reward functions give it: then it is no share of right answers, and called reward",
    "eval/standard_error": "of eval/accuracy, over questions",
    "eval/clipped_ratio": "share of evaluation responses cut off by the length limit",
}


def check_names(metrics: Metrics) -> Metrics:
    """Refuse a metric that the catalogue does not explain."""
    unknown = sorted(name for name in metrics.keys() - CATALOGUE.keys() if not name.startswith(LOGGED))
    if unknown:
        raise KeyError(f"metrics {unknown} are not in vineppo.metrics.CATALOGUE; add them with their meaning")
    return metrics


def mean_metrics(results: Sequence[Metrics]) -> Metrics:
    """Each metric's mean over the results that have it."""
    names = dict.fromkeys(name for result in results for name in result)
    return {name: fmean(r[name] for r in results if name in r) for name in names}
