"""An endpoint as adviser, against a server of the test's own: what is sent, repeated, kept, counted and refused."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vineppo.advisers.endpoint import EndpointAdviser
from vineppo.advisers.settings import Adviser, AdviserParts, Answer, Inquiry
from vineppo.errors import UserError
from vineppo.types import Message, Question

pytest.importorskip("openai", reason="needs the extra vineppo[endpoint]")


@dataclass
class Served:
    """A server that answers with how many requests it has had, after it failed some times."""

    url: str = ""
    failures: int = 0
    status: int = 503
    tells_usage: bool = True
    bodies: list[dict] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict) -> tuple[int, dict]:
        with self.lock:
            if self.failures > 0:
                self.failures -= 1
                return self.status, {"error": {"message": "not now"}}
            self.bodies.append(body)
            usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
            message = {"role": "assistant", "content": f"answer {len(self.bodies)}"}
            return 200, {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                **({"usage": usage} if self.tells_usage else {}),
            }


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/chat/completions"
            assert self.headers["Authorization"] == "Bearer secret"
            status, answer = state.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After", "0.01")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("OPENAI_BASE_URL", state.url)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def adviser(cache: Path, **settings: object) -> Adviser:
    own = EndpointAdviser.model_validate({"model": "m", "cache": str(cache), "parallel": 1, **settings})
    return own.build(AdviserParts(where="credit.adviser"))


def inquiry(text: str) -> Inquiry:
    return Inquiry(
        messages=(Message(role="user", content=text),), question=Question(id="q", prompt="?", answer=""), steps=()
    )


def test_answers_come_in_order_and_requests_say_what_the_settings_say(served: Served, tmp_path: Path):
    ask = adviser(tmp_path, max_new_tokens=50, extra_body={"top_k": 5})
    answers = ask([inquiry("a"), inquiry("b")], count=2, seed=0)
    assert answers == [
        (Answer(text="answer 1", tokens=3), Answer(text="answer 2", tokens=3)),
        (Answer(text="answer 3", tokens=3), Answer(text="answer 4", tokens=3)),
    ]
    assert [body["messages"] for body in served.bodies] == [[{"role": "user", "content": c}] for c in "aabb"]
    first = served.bodies[0]
    assert (first["model"], first["temperature"], first["max_tokens"], first["top_k"]) == ("m", 0.7, 50, 5)
    ask([inquiry("a")], count=1, seed=0, temperature=0.0)
    assert served.bodies[-1]["temperature"] == 0


def test_what_was_answered_is_not_asked_again_not_even_by_the_next_run(served: Served, tmp_path: Path):
    before = adviser(tmp_path)([inquiry("a")], count=2, seed=0)
    again = adviser(tmp_path)([inquiry("b"), inquiry("a")], count=2, seed=7)
    assert again[1] == before[0]
    assert len(served.bodies) == 4
    files = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {(own["messages"][0]["content"], own["draw"], own["text"]) for own in files} == {
        ("a", 0, "answer 1"),
        ("a", 1, "answer 2"),
        ("b", 0, "answer 3"),
        ("b", 1, "answer 4"),
    }


def test_requests_at_once_get_their_own_answers(served: Served, tmp_path: Path):
    ask = adviser(tmp_path, parallel=4)
    inquiries = [inquiry(str(number)) for number in range(8)]
    told = ask(inquiries, count=1, seed=0)
    sent = {body["messages"][0]["content"]: f"answer {place}" for place, body in enumerate(served.bodies, 1)}
    assert [own.text for [own] in told] == [sent[str(number)] for number in range(8)]


def test_failures_of_the_moment_are_repeated(served: Served, tmp_path: Path):
    served.failures = 2
    [[answer]] = adviser(tmp_path, retries=2)([inquiry("a")], count=1, seed=0)
    assert answer.text == "answer 1"


def test_an_endpoint_that_stays_away_ends_the_run_with_what_to_do(served: Served, tmp_path: Path):
    served.failures = 9
    with pytest.raises(
        UserError, match=r"credit.adviser: .* model m after 1 retries \(InternalServerError: .*--resume"
    ):
        adviser(tmp_path, retries=1)([inquiry("a")], count=1, seed=0)
    assert served.failures == 7
    served.status = 404
    with pytest.raises(UserError, match=r"NotFoundError"):
        adviser(tmp_path, retries=3)([inquiry("a")], count=1, seed=0)
    assert served.failures == 6, "what will not pass is not repeated"


def test_the_limit_counts_what_the_folder_holds(served: Served, tmp_path: Path):
    adviser(tmp_path)([inquiry("a")], count=1, seed=0)  # 13 tokens
    ask = adviser(tmp_path, token_limit=26)
    ask([inquiry("b")], count=1, seed=0)
    ask([inquiry("a"), inquiry("b")], count=1, seed=0)  # known: costs nothing
    with pytest.raises(UserError, match=r"credit.adviser.token_limit is 26, .* taken 26 tokens; raise it"):
        ask([inquiry("c")], count=1, seed=0)
    assert len(served.bodies) == 2


def test_the_limit_of_cost(served: Served, tmp_path: Path):
    prices = {"prompt_price": 100_000.0, "completion_price": 1_000_000.0}  # an answer: 10 x 0.1 + 3 x 1
    ask = adviser(tmp_path, cost_limit=4.0, **prices)
    ask([inquiry("a")], count=1, seed=0)
    with pytest.raises(UserError, match=r"cost_limit is 4, .* have cost 4; raise it"):
        ask([inquiry("b")], count=1, seed=0)


def test_a_limit_needs_an_endpoint_that_counts(served: Served, tmp_path: Path):
    served.tells_usage = False
    assert adviser(tmp_path)([inquiry("a")], count=1, seed=0) == [(Answer(text="answer 1", tokens=0),)]
    with pytest.raises(UserError, match=r"does not tell how many tokens"):
        adviser(tmp_path, token_limit=99)([inquiry("b")], count=1, seed=0)


def test_only_the_main_process_asks(served: Served, tmp_path: Path):
    told = [(Answer(text="from the main process", tokens=1),)]
    own = EndpointAdviser(model="m", cache=str(tmp_path))
    ask = own.build(AdviserParts(where="credit.adviser", on_main=lambda ask: told))
    assert ask([inquiry("a")], count=1, seed=0) == told
    assert served.bodies == []


def test_what_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match=r"no OPENAI_API_KEY"):
        adviser(tmp_path)
    with pytest.raises(UserError, match=r"credit.adviser.model is empty"):
        adviser(tmp_path, model="")
    with pytest.raises(ValueError, match=r"cost_limit is 1, but .* prices of a million tokens"):
        EndpointAdviser(cost_limit=1.0)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(UserError, match=r"broken.json is no answer kept here .* delete the file"):
        adviser(tmp_path)
