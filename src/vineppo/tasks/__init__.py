"""What is asked, and how a response is judged: one file a task, with its settings.

`settings.py` has what is asked of every task. `arithmetic`, `registers` and `word_problems/` make their questions
(`generated`), `gsm8k`, `mathematics` and `dataset` read rows (`rows`, `files`, `splits`, `prompts`, `gold`),
`reasoning_gym` has generators. `reward` calls functions of yours, `asked` takes questions from outside, `truncated`
says what becomes of responses that were cut off. `judge/` finds and compares mathematical answers.
"""
