"""Which questions come next: one file per way of choosing, one class in each with the same three methods.

choose(iteration)    questions for iteration 1, 2, ..., and what was learned of them on the way (`Choice`)
state, restore       what a checkpoint must hold so that a resumed run chooses as an uninterrupted one would

Choosing depends on the seed, the iteration, the policy's weights and the state alone, so asking twice for the same
iteration gives the same answer: a run may be stopped between choosing and learning.
"""
