"""Judging shared out among the processes of a run. All get all judgements, so a slow or moody judge cannot make them
disagree."""

from collections.abc import Sequence

from vineppo.errors import UserError
from vineppo.processes import Processes
from vineppo.seams import Split, Task
from vineppo.types import Judgement, Question


class ShardedTask:
    """Every process hands in the same responses, judges its share and gets all judgements."""

    def __init__(self, task: Task, processes: Processes):
        self._task = task
        self._processes = processes

    def questions(self, split: Split) -> Sequence[Question]:
        """The task's."""
        return self._task.questions(split)

    def judge(self, questions: Sequence[Question], responses: Sequence[str]) -> list[Judgement]:
        """One judgement per response, in order; process r judges responses r, r + count, ..."""
        rank, count = self._processes.rank, self._processes.count
        judged = self._task.judge(questions[rank::count], responses[rank::count])
        wanted = len(responses[rank::count])
        if len(judged) != wanted:
            raise UserError(f"the task's judge gave {len(judged)} judgements for {wanted} responses; give one each")
        shares = [iter(share) for share in self._processes.gather(judged)]
        return [next(shares[index % count]) for index in range(len(responses))]
