"""What becomes of responses that the length limit cut off: a setting of the task, or what suits its kind."""

from collections.abc import Sequence

from vineppo.environment import Truncation
from vineppo.seams import Split, Task
from vineppo.tasks.asked import Asked
from vineppo.tasks.dataset import Dataset
from vineppo.tasks.reward import RewardTask
from vineppo.tasks.reward_keywords import STATE
from vineppo.tasks.settings import TruncatedSetting
from vineppo.types import Judgement, Question, Response


class WithTruncation:
    """A task, and what its configuration says."""

    def __init__(self, task: Task, truncation: Truncation):
        self.task, self.truncation = task, truncation

    def questions(self, split: Split) -> Sequence[Question]:
        """The task's."""
        return self.task.questions(split)

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """As the task does."""
        return self.task.judge(questions, responses)


def with_truncation(task: Task, setting: TruncatedSetting) -> Task:
    """The task with that setting; as it is where nothing is said."""
    match setting:
        case None:
            return task
        case "judged":
            return WithTruncation(task, Truncation(reward=None))
        case "left_out":
            return WithTruncation(task, Truncation(reward=usual(task).reward, left_out=True))
        case _:
            return WithTruncation(task, Truncation(reward=float(setting)))


def truncation_of(task: Task) -> Truncation:
    """What a task says, or its kind."""
    return task.truncation if isinstance(task, WithTruncation) else usual(task)


def try_rewards(task: Task, questions: Sequence[Question]) -> None:
    """Call reward functions once before anything is sampled, so that what they return wrongly is found at once."""
    if is_rewarded(task) and questions:
        task.judge(questions, [Response("0", ())] * len(questions))
        STATE.take_logged()


def is_rewarded(task: Task) -> bool:
    """Whether reward functions judge."""
    match task:
        case WithTruncation():
            return is_rewarded(task.task)
        case RewardTask() | Dataset(rewarded=True) | Asked(rewarded=True):
            return True
        case _:
            return False


def usual(task: Task) -> Truncation:
    """Reward functions score them, as in TRL: beside their rewards a constant could be a prize for never ending. Where
    an answer is right or wrong, there is none yet."""
    return Truncation(reward=None) if is_rewarded(task) else Truncation(reward=0.0)
