"""Predictions of images of every kind, given in every way, one task's or all's; other classes and
tasks than were trained."""

from __future__ import annotations

import gc
import itertools
import json
import os
import resource
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import softcpt
from softcpt import Failed, Prediction
from softcpt.features.image_stream import ImageStream

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"]),
        softcpt.Task("road signs", ["stop", "yield"]),
    ]
)


def adapted(method, clip, tasks=TASKS, **options) -> softcpt.AdaptedClip:
    torch.manual_seed(2)
    built = softcpt.build_prompter(method, clip, tasks, **options)
    if hasattr(built, "fit"):
        labels = torch.arange(tasks.num_classes).repeat(2)
        features = built.encode_image(torch.randn(len(labels), 3, clip.image_size, clip.image_size))
        built.fit(features, labels, features, labels)
    return softcpt.AdaptedClip(built, method)


def flat(entries) -> dict[tuple, float]:
    """Probabilities by place, task and label, to be compared with a tolerance."""
    return {
        (place, one.task, one.label): one.probability
        for place, entry in enumerate(entries)
        for one in (entry if isinstance(entry, list) else [entry])
    }


def close(a, b) -> bool:
    return flat(a) == pytest.approx(flat(b), abs=1e-4)


@pytest.fixture(scope="module")
def q(clip):
    return adapted("CoOp", clip, n_ctx=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty images of noise, one of which is cut."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(40):
        pixels = generator.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    whole = (folder / "21.png").read_bytes()
    (folder / "21.png").write_bytes(whole[:2000])
    return folder


@torch.no_grad()
def probabilities(q, path) -> dict[str, dict[str, float]]:
    """By task and class, stated plainly."""
    image = q.clip.preprocess()(Image.open(path).convert("RGB"))[None]
    logits = q.method(image)[0]
    return {
        task.name: dict(zip(task.class_names, logits[q.tasks.columns(at)].softmax(0).tolist()))
        for at, task in enumerate(q.tasks)
    }


def test_the_best_classes_of_a_task(q, folder):
    paths = [folder / f"{number:02}.png" for number in range(20)]
    for task in TASKS:
        best = q.predict(paths, task=task.name, batch_size=3, workers=0)
        ranked = q.predict(paths, task=task.name, top=5, batch_size=6, workers=2)
        for path, one, several in zip(paths, best, ranked, strict=True):
            expected = probabilities(q, path)[task.name]
            assert several[0].label == one.label and one.task == task.name
            assert [p.label for p in several] == sorted(expected, key=expected.get, reverse=True)
            assert {p.label: p.probability for p in several} == pytest.approx(expected, abs=1e-5)


def test_all_tasks_and_a_guess(q, folder):
    path = folder / "00.png"
    expected = probabilities(q, path)
    [every] = q.predict(path, task="all")
    assert [(one.task, one.label) for one in every] == [
        (task, max(classes, key=classes.get)) for task, classes in expected.items()
    ]
    [twice] = q.predict(path, task="all", top=2)
    assert [one.task for one in twice] == ["kinds of fruit"] * 2 + ["road signs"] * 2
    with torch.no_grad():
        image = q.clip.preprocess()(Image.open(path))[None]
        owner = TASKS.to_local(int(q.method(image).argmax()))[0]
    [guess] = q.predict(path, task="auto")
    assert guess == every[owner]


def test_images_are_given_in_every_way(q, folder):
    path = folder / "03.png"
    picture, ready = Image.open(path), q.clip.preprocess()(Image.open(path))
    [expected] = q.predict(str(path), task="road signs")
    array = np.asarray(picture)
    bytes_ = torch.from_numpy(array.copy()).permute(2, 0, 1)
    given = [
        path,
        SimpleNamespace(path=str(path)),
        picture,
        ready,
        ready[None],
        array,
        bytes_,
        ready.half(),
    ]
    for images in given:
        single = [images] if isinstance(images, SimpleNamespace) else images
        [found] = q.predict(single, task="road signs")
        assert found.label == expected.label
        assert found.probability == pytest.approx(expected.probability, abs=2e-3)
    mixed = q.predict((item for item in given), task="road signs", batch_size=2, workers=1)
    assert [one.label for one in mixed] == [expected.label] * len(given)
    assert len(q.predict(torch.stack([ready] * 3), task="road signs")) == 3
    assert q.predict([], task="road signs") == []
    for wrong in (3, ready[:2], array.astype(float), [None]):
        with pytest.raises(softcpt.UserError, match="image: "):
            q.predict([wrong] if not isinstance(wrong, list) else wrong, task="road signs")


def test_a_bad_file_is_an_entry_and_the_others_are_classified(q, folder, tmp_path):
    paths = [*(folder / f"{number:02}.png" for number in range(18, 24)), tmp_path / "gone.png"]
    for workers, size in ((0, 2), (2, 2), (0, 1)):
        found = q.predict(paths, task="road signs", batch_size=size, workers=workers)
        kinds = [type(entry) for entry in found]
        assert kinds == [Prediction] * 3 + [Failed] + [Prediction] * 2 + [Failed]
        assert found[3].path == str(paths[3]) and "truncated" in found[3].reason
        assert found[6] == Failed(str(paths[6]), "no such file")
    cut = Image.open(paths[3])  # opened, not yet decoded
    [entry] = q.predict(cut, task="road signs")
    assert isinstance(entry, Failed) and entry.path == "" and "truncated" in entry.reason
    assert all(isinstance(one, Failed) for one in q.predict([paths[3]] * 5, task="all"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_odd_kinds_of_images_are_read_as_in_training(q, tmp_path, mode):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) << 8)
    else:
        image = image.convert(mode)
    path = tmp_path / ("x.jpg" if mode in ("CMYK", "YCbCr") else "x.png")
    image.save(path)
    of_file, in_memory = q.predict([path, Image.open(path)], task="road signs", workers=0)
    assert of_file == in_memory
    with pytest.raises(softcpt.UserError, match="top = 0"):
        q.predict(path, task="road signs", top=0)


def test_a_task_must_be_named_where_there_are_several(q, clip, folder):
    with pytest.raises(softcpt.UserError) as caught:
        q.predict(folder / "00.png")
    assert str(caught.value) == (
        "task: there are 2 tasks; give one (kinds of fruit, road signs), all, or auto"
    )
    with pytest.raises(softcpt.UserError, match="did you mean 'road signs'"):
        q.predict(folder / "00.png", task="road sign")
    alone = adapted("SoftCPT", clip, softcpt.TaskSet([TASKS[1]]))
    [one] = alone.predict(folder / "00.png")
    assert one.task == "road signs"


def test_a_stream_reads_no_further_than_it_must(q, folder):
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield folder / f"{number % 20:02}.png"

    stream = q.predict_stream(endless(), task="road signs", batch_size=2, workers=1)
    first = list(itertools.islice(stream, 30))
    stream.close()
    assert len(first) == 30 and len(read) < 60


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(q, folder):
    def peak(count: int) -> int:
        paths = (folder / f"{number % 20:02}.png" for number in range(count))
        for _ in q.predict_stream(paths, task="road signs"):
            pass
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    few = peak(500)
    assert peak(10_000) - few < 20_000  # kB


@pytest.mark.parametrize("method", ["CoCoOp", "PLOT", "VPT", "UPT", "ProLIP", "TextGDA"])
def test_methods_with_other_features_predict(clip, folder, method):
    q = adapted(method, clip)
    paths = [folder / f"{number:02}.png" for number in range(3)]
    found = q.predict(paths, task="kinds of fruit", top=3)
    for path, one in zip(paths, found, strict=True):
        expected = probabilities(q, path)["kinds of fruit"]
        assert {p.label: p.probability for p in one} == pytest.approx(expected, abs=1e-4)


def test_the_stream_keeps_the_random_numbers_of_its_caller(q, folder):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    q.predict([folder / "00.png"] * 40, task="road signs", workers=1)
    assert torch.equal(torch.rand(1), expected)
    stream = ImageStream(q.clip.preprocessing, batch_size=8, workers=0)
    assert [batch.count for batch in stream.batches([folder / "00.png"] * 20)] == [8, 8, 4]


def test_images_are_prepared_bit_for_bit_as_by_the_clip_itself(clip, folder):
    paths = [folder / f"{number:02}.png" for number in range(5)]
    stream = ImageStream(clip.preprocessing, batch_size=3, workers=0)
    expected = [clip.preprocess()(Image.open(path)) for path in paths]
    for given in (paths, [paths[0], expected[1], *paths[2:]]):  # bytes, and mixed
        ready = [stream.ready(batch, clip.device) for batch in stream.batches(given)]
        assert torch.equal(torch.cat(ready), torch.stack(expected))


def test_a_decoder_that_dies_is_said_in_one_line(clip, folder, monkeypatch):
    stream = ImageStream(clip.preprocessing, batch_size=1, workers=1)
    monkeypatch.setattr(stream, "of_rgb", lambda _: os._exit(1))
    with pytest.raises(softcpt.UserError, match="process that decodes them ended suddenly"):
        list(stream.batches([folder / "00.png"] * 4))


# -- other classes and tasks -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["CoOp", "SoftCPT", "CoOp-MT", "CoCoOp", "VPT", "ZeroShot"])
def test_new_classes_of_a_trained_task(clip, folder, method):
    q = adapted(method, clip)
    new = q.with_classes("road signs", ["roundabout", "stop", "no entry"])
    assert new.tasks[1].class_names == ("roundabout", "stop", "no entry")
    assert new.tasks[0] == q.tasks[0] and q.tasks[1].class_names == ("stop", "yield")
    path = folder / "05.png"
    fruit = (one.predict(path, task="kinds of fruit", top=3) for one in (new, q))
    assert close(*fruit)
    whole = softcpt.build_prompter(method, clip, new.tasks)
    if method != "ZeroShot":
        whole.load_reference_state(q.method.reference_state())
    expected = softcpt.AdaptedClip(whole, method).predict(path, task="road signs", top=3)
    assert close(new.predict(path, task="road signs", top=3), expected)
    again = new.with_classes("road signs", ["stop", "yield"])
    assert close(*(one.predict(path, task="road signs", top=2) for one in (again, q)))


@pytest.mark.parametrize(
    ("method", "options"),
    [("CoOp", {"csc": True}), ("ProtoNet", {}), ("Tip-Adapter", {}), ("TextGDA", {})],
)
def test_methods_with_parts_per_class_say_why_they_cannot(clip, method, options):
    q = adapted(method, clip, **options)
    with pytest.raises(softcpt.UserError, match="class 'no entry' of task 'road signs'") as caught:
        q.with_classes("road signs", ["stop", "no entry"])
    assert "\n" not in str(caught.value)
    assert q.with_classes("road signs", ["yield"]).tasks[1].class_names == ("yield",)


@pytest.mark.parametrize("method", ["SoftCPT", "CoOp-MT", "ZeroShot"])
def test_a_task_is_added_by_its_name(clip, folder, tmp_path, method):
    q = adapted(method, clip)
    more = q.add_task("mushroom image classification", ["fly agaric", "chanterelle"])
    assert more.tasks.names == (*TASKS.names, "mushroom image classification")
    path = folder / "07.png"
    for task in TASKS.names:
        assert close(more.predict(path, task=task, top=3), q.predict(path, task=task, top=3))
    whole = softcpt.build_prompter(method, clip, more.tasks)
    whole.load_reference_state(q.method.reference_state())
    expected = softcpt.AdaptedClip(whole, method).predict(path, task="all", top=2)
    assert close(more.predict(path, task="all", top=2), expected)
    # It is kept, and its card says that it was not trained.
    again = softcpt.load_prompt(more.save(tmp_path), clip=clip)
    assert again.tasks.names == more.tasks.names and again.record.changed == more.record.changed
    assert "added after training" in (tmp_path / "README.md").read_text()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["changed"] == {
        "mushroom image classification": "it was added after training, by name"
    }


@pytest.mark.parametrize("method", ["CoOp", "SoftCPT-NATS", "ProtoNet", "LinearProbe"])
def test_methods_with_parts_per_task_say_why_they_cannot(clip, method):
    with pytest.raises(softcpt.UserError, match="task 'mushrooms': what was trained has parts"):
        adapted(method, clip).add_task("mushrooms", ["fly agaric", "chanterelle"])


def test_unknown_and_known_tasks_are_refused(q):
    with pytest.raises(softcpt.UserError, match="task 'signs': unknown; there are kinds of fruit"):
        q.with_classes("signs", ["stop"])
    with pytest.raises(softcpt.UserError, match="given twice: road signs"):
        q.add_task("road signs", ["stop"])
