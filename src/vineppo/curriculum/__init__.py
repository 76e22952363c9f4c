"""Which questions come next: one file a way of choosing, with its settings and one class with the same three methods.
`settings.py` has what is asked of every way, `attempts` tries questions, `learnability` says what they can teach.

choose(iteration)    questions for iteration 1, 2, ..., and what was learned of them on the way (`Choice`)
state, restore       what a checkpoint must hold so that a resumed run chooses as an uninterrupted one would

Choosing depends on the seed, the iteration, the policy's weights and the state alone, so asking twice for the same
iteration gives the same answer: a run may be stopped between choosing and learning.
"""
