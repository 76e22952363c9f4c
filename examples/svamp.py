"""SVAMP (Patel et al. 2021, MIT): one- and two-step word problems that people wrote, with worked lines to learn from.

    python examples/svamp.py ChilleD/SVAMP build/svamp        # from the Hugging Face Hub
    python examples/svamp.py DATA build/svamp                 # from a folder with train.jsonl and test.jsonl

writes four files. The first 350 training problems are kept for a short finetuning, with a response each. The others are
for RL, with nothing but the answer. To both come ten times as many with other numbers in their place, since 350
problems are learned by heart sooner than calculating is. The test problems are in both folders, so that a loss can be
measured on them; they stay as they are.

    build/svamp/worked/train.jsonl, test.jsonl     {"question": "Ann had 8 apples, ate 3 and got 5. How many are left?",
                                                    "response": "8 - 3 = 5\\n5 + 5 = 10\\n#### 10"}
    build/svamp/train.jsonl, test.jsonl            {"question": "...", "answer": "10"}

The lines follow the row's equation. Where a row has none (some copies lack the column), it is the first of the smallest
equations in the question's numbers that uses the row's kind of operation, comes to the answer and never below 0; a
problem without one is left out of the first folder.
"""

import ast
import json
import random
import re
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice, permutations
from pathlib import Path

from vineppo.tasks.rows import read_rows

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
KINDS = {"Addition": "+", "Subtraction": "-", "Multiplication": "*", "Common-Division": "/", "Common-Divison": "/"}
"""By the column Type; the last is how the data spells it."""
NUMBER = re.compile(r"\d[\d,]*\.?\d*")


START = 350
"""Training problems for the finetuning."""

VARIANTS = 10
"""Of each, with other numbers."""

TRIES = 500
"""Draws of numbers for all variants of a problem: not every draw can be divided, or stays above 0."""


def main() -> None:
    source, out = sys.argv[1], Path(sys.argv[2])
    train, test = ([plain_row(row) for row in read_rows(source, split, subset=None)] for split in ("train", "test"))
    generator = random.Random(0)
    shown, hidden = (rows + with_other_numbers(rows, generator) for rows in (train[:START], train[START:]))
    write(out / "worked" / "train.jsonl", with_response(shown))
    write(out / "worked" / "test.jsonl", with_response(test))
    write(out / "train.jsonl", without_response(hidden))
    write(out / "test.jsonl", without_response(test))


def write(file: Path, rows: list[dict[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{file}: {len(rows)} problems")


def with_response(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"question": row["question"], "response": row["response"]} for row in rows if "response" in row]


def without_response(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def plain_row(row: Mapping[str, object]) -> dict[str, str]:
    """Question, answer, and the worked lines where there is an equation."""
    lower = {key.lower(): str(value) for key, value in row.items()}
    question = lower.get("question_concat") or " ".join([lower.get("body", ""), lower["question"]]).strip()
    answer = Fraction(lower["answer"])
    equation = lower.get("equation") or find_equation(question, answer, lower.get("type", ""))
    if equation is not None:  # Some copies write 12.0 where the question has 12.
        equation = NUMBER.sub(lambda match: show(number_of(match[0])), equation)
    response = None if equation is None else worked(equation, answer)
    return {"question": question, "answer": show(answer)} | (
        {} if equation is None or response is None else {"equation": equation, "response": response}
    )


def with_other_numbers(rows: list[dict[str, str]], generator: random.Random) -> list[dict[str, str]]:
    """Up to VARIANTS of each, numbers as long as those that they replace and all results whole."""
    found = []
    for row in rows:
        draws = (with_numbers_of(row, generator) for _ in range(TRIES)) if can_vary(row) else ()
        found += islice({new["question"]: new for new in draws if new}.values(), VARIANTS)
    return found


def can_vary(row: Mapping[str, str]) -> bool:
    """Whether it is known which number of the question each of the equation is."""
    numbers = NUMBER.findall(row["question"])
    whole = all(number.isdecimal() for number in numbers)
    return "equation" in row and whole and len(set(numbers)) == len(numbers) and set(numbers) >= set(used_in(row))


def used_in(row: Mapping[str, str]) -> list[str]:
    return NUMBER.findall(row["equation"])


def with_numbers_of(row: Mapping[str, str], generator: random.Random) -> dict[str, str] | None:
    """One draw; None where a result is broken or below 0."""
    new = {number: drawn_like(number, generator) for number in NUMBER.findall(row["question"])}
    question, equation = (NUMBER.sub(lambda match: new[match[0]], row[name]) for name in ("question", "equation"))
    response = worked(equation)
    distinct = len(set(new.values())) == len(new)
    if not (distinct and response and is_whole(response)):
        return None
    return {"question": question, "answer": response.rpartition("#### ")[2], "response": response}


def is_whole(response: str) -> bool:
    """No fraction, and nothing below 0."""
    return "." not in response and stays_above(response)


def stays_above(response: str) -> bool:
    """Nothing below 0: every minus is an operation."""
    return "-" not in response.replace(" - ", " ")


def drawn_like(number: str, generator: random.Random) -> str:
    """As many digits; above 1, which tells nothing."""
    return str(generator.randint(max(2, 10 ** (len(number) - 1)), 10 ** len(number) - 1))


def worked(equation: str, answer: Fraction | None = None) -> str | None:
    """A line an operation, innermost first, then the answer; None where the equation does not come to it or to none."""
    lines: list[str] = []

    def value_of(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                one, other = value_of(left), value_of(right)
                value = calculate(one, OPERATORS[type(op)], other)
                lines.append(f"{show(one)} {OPERATORS[type(op)]} {show(other)} = {show(value)}")
                return value
            case ast.Constant(value=int() | float() as number):
                return Fraction(str(number))
            case _:
                raise ValueError(f"{equation} is no equation of + - * /")

    try:
        value = value_of(ast.parse(equation.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError):
        return None
    return "\n".join([*lines, f"#### {show(value)}"]) if answer in (None, value) else None


def find_equation(question: str, answer: Fraction, kind: str) -> str | None:
    """The first of the smallest that fits."""
    numbers = [number_of(text) for text in NUMBER.findall(question)]
    wanted = KINDS.get(kind, "")
    for equation, signs in equations(numbers):
        try:
            response = worked(equation, answer) if wanted in signs else None
            if response and stays_above(response):
                return equation
        except ValueError:
            continue
    return None


def equations(numbers: list[Fraction]) -> Iterator[tuple[str, str]]:
    """All of one operation, then all of two; each with its signs."""
    for one, other in permutations(numbers, 2):
        for sign in "+-*/":
            yield f"({show(one)} {sign} {show(other)})", sign
    for one, other, third in permutations(numbers, 3):
        for sign in "+-*/":
            for outer in "+-*/":
                inner = f"({show(one)} {sign} {show(other)})"
                yield f"({inner} {outer} {show(third)})", sign + outer
                yield f"({show(third)} {outer} {inner})", sign + outer


def number_of(text: str) -> Fraction:
    return Fraction(text.replace(",", "").rstrip("."))


def calculate(one: Fraction, sign: str, other: Fraction) -> Fraction:
    match sign:
        case "+":
            return one + other
        case "-":
            return one - other
        case "*":
            return one * other
        case _:
            return one / other


def show(number: Fraction) -> str:
    """5, 2.5; rounded where it has no end."""
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.6g}"


if __name__ == "__main__":
    main()
