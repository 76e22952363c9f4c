"""Models that are asked in words: critics of steps (`credit=capo`), proposers of interventions (`recipe=int`)."""
