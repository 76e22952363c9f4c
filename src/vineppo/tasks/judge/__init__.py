"""Whether an answer is right: `extract` finds it, `exact` decides most, child processes decide the rest."""
