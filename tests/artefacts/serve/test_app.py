"""What the server answers to good and to bad requests, over HTTP."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

import softcpt
from softcpt.artefacts.serve.app import make_app
from softcpt.artefacts.serve.limits import Limits
from softcpt.artefacts.serve.model import Model
from tests.helpers.served import half_sent, read_until, served

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"]),
        softcpt.Task("road signs", ["stop", "yield"]),
    ]
)


@pytest.fixture(scope="module")
def q(clip):
    torch.manual_seed(2)
    return softcpt.AdaptedClip(softcpt.build_prompter("CoOp", clip, TASKS, n_ctx=2), "CoOp")


@pytest.fixture(scope="module")
def client(q):
    with served(make_app(q, Limits(images=12))) as client:
        yield client


def picture(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    return Image.fromarray(pixels)


def png(number: int) -> bytes:
    file = io.BytesIO()
    picture(number).save(file, "PNG")
    return file.getvalue()


def flat_png(side: int) -> bytes:
    """A grey square: a few kB, however large it is when it is decoded."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side + 1) * 100)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def files(*contents: bytes, name: str = "{}.png"):
    return [("images", (name.format(place), content)) for place, content in enumerate(contents)]


def expected(q, number: int, task: str, top: int = 1) -> list[tuple[str, float]]:
    [found] = q.predict(picture(number), task=task, top=top)
    return [(one.label, one.probability) for one in ([found] if top == 1 else found)]


def agrees(entry, wanted) -> bool:
    found = [(one["label"], one["probability"]) for one in entry["predictions"]]
    return [label for label, _ in found] == [label for label, _ in wanted] and [
        value for _, value in found
    ] == pytest.approx([value for _, value in wanted], abs=1e-5)


def test_ten_at_once_with_the_best_classes_of_a_task(client, q):
    answer = client.post(
        "/predict",
        files=files(*map(png, range(10))),
        data={"task": "kinds of fruit", "top": "2"},
    )
    assert answer.status_code == 200
    entries = answer.json()["images"]
    assert [entry["image"] for entry in entries] == [f"{number}.png" for number in range(10)]
    for number, entry in enumerate(entries):
        assert agrees(entry, expected(q, number, "kinds of fruit", 2))
        assert {one["task"] for one in entry["predictions"]} == {"kinds of fruit"}


def test_every_task_and_a_guess_that_is_called_one(client, q):
    answers = [
        client.post("/predict", files=files(png(3)), data={"task": task}).json()
        for task in ("all", "auto")
    ]
    every, guess = (answer["images"][0]["predictions"] for answer in answers)
    assert [one["task"] for one in every] == list(TASKS.names)
    [best] = q.predict(picture(3), task="auto")
    assert guess[0]["guessed_task"] == best.task and guess[0]["label"] == best.label


def test_bad_files_are_entries_and_the_others_are_classified(client, q):
    bad = {
        b"no image, but some lines of text\n": "is no image of a known kind",
        b"": "is empty",
        png(1)[:1500]: "truncated",
        flat_png(8_000): "8,000 x 8,000 pixels are more than 50 megapixels",
        flat_png(60_000): "it has more than 50 megapixels",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n": "is no image of a known kind",
    }
    for content, reason in bad.items():
        answer = client.post(
            "/predict", files=files(png(1), content, png(2)), data={"task": "road signs"}
        )
        assert answer.status_code == 200
        first, wrong, last = answer.json()["images"]
        assert reason in wrong["error"] and "\n" not in wrong["error"]
        assert agrees(first, expected(q, 1, "road signs"))
        assert agrees(last, expected(q, 2, "road signs"))


def test_what_is_too_large_is_refused_while_it_is_read(client):
    head = b'--x\r\nContent-Disposition: form-data; name="i"; filename="a.png"\r\n\r\n'
    with half_sent(client, 50_000_000, 20_500_000, head) as connection:
        # Thirty million bytes are still to come.
        answer = read_until(connection, b"smaller")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"image 'a.png': larger than 20 MB; make it smaller" in answer
    with half_sent(client, 10**12, 0, b"") as connection:
        answer = read_until(connection, b"ones")
    assert b"413" in answer and b"request: larger than 12 images of 20 MB" in answer
    answer = client.post("/predict", files=files(*[b"x"] * 13), data={"task": "road signs"})
    assert answer.status_code == 413 and "more than 12 images" in answer.json()["error"]
    answer = client.post("/predict", files=files(png(1), name="x" * 20_000))
    assert answer.status_code in (400, 413) and "form" in answer.json()["error"]
    answer = client.post("/predict", files=files(png(1)), data={"task": "r" * 20_000})
    assert answer.status_code == 413 and "field 'task'" in answer.json()["error"]


def test_a_sender_that_leaves_harms_nobody(client, caplog):
    head = b'--x\r\nContent-Disposition: form-data; name="i"; filename="a.png"\r\n\r\n'
    half_sent(client, 10_000_000, 1_000_000, head).close()
    assert client.get("/health").json()["status"] == "ok"
    assert not caplog.records


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        ({}, 400, "task: there are 2 tasks; give one (kinds of fruit, road signs), all, or auto"),
        ({"task": "road sign"}, 400, "did you mean 'road signs'"),
        ({"task": "all", "top": "0"}, 400, "top = 0: give 1 or more"),
        ({"task": "all", "top": "many"}, 400, "top 'many': give a number, 1 or more"),
        ({"tasks": "all"}, 400, "field 'tasks': unknown; there are task, top, and files"),
    ],
)
def test_a_wrong_request_says_what_helps(client, data, status, message):
    answer = client.post("/predict", files=files(png(1)), data=data)
    assert answer.status_code == status and message in answer.json()["error"]


def test_what_is_no_form_is_refused(client):
    form = {"content-type": "multipart/form-data; boundary=x"}
    wrong = [
        (client.post("/predict", json={"task": "all"}), 415, "curl -F"),
        (client.post("/predict", content=b"--y\r\n\r\n", headers=form), 400, "it is damaged"),
        (client.post("/predict", content=b"--x\r\nContent-D", headers=form), 400, "ends too early"),
        (client.post("/predict", data={"task": "all"}), 415, "as files"),
        (client.get("/predict"), 404, "Not Found"),
        (client.get("/../model.py"), 404, "Not Found"),
    ]
    for answer, status, message in wrong:
        assert answer.status_code == status and message in answer.json()["error"]


def test_other_sites_are_kept_out(client):
    for headers in (
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "[::"},
    ):
        answer = client.get("/tasks", headers=headers)
        assert answer.status_code == 403 and "error" in answer.json()
        assert "access-control-allow-origin" not in answer.headers
    own = str(client.base_url)
    port = client.base_url.port
    for headers in ({"origin": own}, {"host": f"localhost:{port}"}, {"host": f"[::1]:{port}"}):
        assert client.get("/tasks", headers=headers).status_code == 200


def test_the_page_may_load_only_what_is_beside_it(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http" not in answer.text
    for name in ("page.css", "main.js", "cards.js", "icon.svg"):
        assert client.get(f"/{name}").status_code == 200


def test_the_tasks_and_limits_are_given(client):
    about = client.get("/tasks").json()
    assert about["method"] == "CoOp"
    assert {task["name"]: task["classes"] for task in about["tasks"]} == {
        task.name: list(task.class_names) for task in TASKS
    }
    assert about["limits"] == {"image_bytes": 20_000_000, "images": 12, "pixels": 50_000_000}
    schema = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]
    assert "multipart/form-data" in schema["content"]


def test_requests_at_the_same_time_take_turns_at_the_model(client, q, monkeypatch):
    turn = threading.Lock()

    def alone(function):
        def call(*arguments):
            assert turn.acquire(blocking=False)
            try:
                return function(*arguments)
            finally:
                turn.release()

        return call

    for name in ("decode", "classify"):
        monkeypatch.setattr(Model, name, alone(getattr(Model, name)))

    def ask(number: int):
        task = TASKS.names[number % 2]
        return client.post("/predict", files=files(png(number)), data={"task": task})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(24)))
    for number, answer in enumerate(answers):
        [entry] = answer.json()["images"]
        assert agrees(entry, expected(q, number, TASKS.names[number % 2]))


def test_a_fault_of_ours_ends_one_request(client, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Model, "classify", broken)
        answer = client.post("/predict", files=files(png(1)), data={"task": "road signs"})
    assert answer.status_code == 500 and "RuntimeError" in answer.json()["error"]
    answer = client.post("/predict", files=files(png(1)), data={"task": "road signs"})
    assert answer.status_code == 200


def test_a_single_task_need_not_be_named(clip):
    alone = softcpt.TaskSet([TASKS[1]])
    q = softcpt.AdaptedClip(softcpt.build_prompter("ZeroShot", clip, alone), "ZeroShot")
    with served(make_app(q)) as client:
        [entry] = client.post("/predict", files=files(png(1))).json()["images"]
    assert agrees(entry, expected(q, 1, "road signs"))
