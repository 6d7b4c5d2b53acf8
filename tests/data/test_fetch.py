"""Getting a data set: from servers that fail, from Google Drive and Kaggle, and by hand."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import types
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import gdown
import pytest

from softcpt.data import coop_mirror, fetchers
from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry
from softcpt.data.download_record import RECORD
from softcpt.data.fetch import get, is_unfinished
from softcpt.data.fetchers import ManualStepsError
from softcpt.data.source import Source
from softcpt.errors import UserError
from tests.helpers.web import Server, serving


def zipped(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


IMAGES = {"images/red/1.jpg": b"red", "images/blue/1.jpg": b"blue"}
ARCHIVE = zipped(IMAGES)
MD5 = hashlib.md5(ARCHIVE).hexdigest()
SPLIT = json.dumps({"train": [], "val": [], "test": []}).encode()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with serving({"images.zip": ARCHIVE, "split.json": SPLIT}, monkeypatch) as server:
        yield server


def data_set(root: Path, *sources: Source) -> CatalogEntry:
    kind = type(
        "Colours",
        (TaskDataset,),
        {"dataset_dir": "colours", "image_dir": "images", "sources": sources},
    )
    return CatalogEntry("Colours", kind, str(root))


def files(folder: Path) -> dict[str, bytes]:
    """Files below ``folder`` by path, but for locks, the record of downloads, and the note that
    something did not come."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if not name.endswith((".lock", ".unfinished")) and name != RECORD
    }


def images(server: Server, **facts: object) -> Source:
    usual = {"unpack_to": ".", "gives": "images", "md5": MD5}
    return Source(f"{server.url}/images.zip", "images.zip", **{**usual, **facts})


def test_an_archive_is_fetched_unpacked_and_cleared_away_and_a_plain_file_stays(server, tmp_path):
    entry = data_set(tmp_path, images(server), Source(f"{server.url}/split.json", "split.json"))
    assert get(entry) == []
    assert files(tmp_path / "colours") == {**IMAGES, "split.json": SPLIT}


def test_what_is_in_place_is_not_fetched(server, tmp_path):
    entry = data_set(tmp_path, images(server), Source(f"{server.url}/split.json", "split.json"))
    get(entry)
    server.ranges.clear()
    assert get(entry) == []
    assert server.ranges == []


def test_images_in_one_more_folder_are_in_place(server, tmp_path):
    (tmp_path / "colours/colours-v2/images/red").mkdir(parents=True)
    assert get(data_set(tmp_path, images(server))) == []
    assert server.ranges == []


def test_again_fetches_what_is_in_place(server, tmp_path):
    entry = data_set(tmp_path, images(server), Source(f"{server.url}/split.json", "split.json"))
    get(entry)
    (tmp_path / "colours/images/red/1.jpg").unlink()
    (tmp_path / "colours/split.json").write_bytes(b"spoiled")
    assert get(entry, again=True) == []
    assert files(tmp_path / "colours") == {**IMAGES, "split.json": SPLIT}


def test_refilling_unpacks_archives_alone_once_more(server, tmp_path):
    entry = data_set(tmp_path, images(server), Source(f"{server.url}/split.json", "split.json"))
    get(entry)
    (tmp_path / "colours/images/red/1.jpg").unlink()
    (tmp_path / "colours/split.json").write_bytes(b"mine")
    assert get(entry, refill=True) == []
    assert files(tmp_path / "colours") == {**IMAGES, "split.json": b"mine"}


def test_refilling_takes_an_archive_that_is_still_there(server, tmp_path):
    entry = data_set(tmp_path, images(server))
    get(entry, keep=True)
    (tmp_path / "colours/images/red/1.jpg").unlink()
    server.ranges.clear()
    assert get(entry, refill=True) == [] and server.ranges == []
    assert files(tmp_path / "colours") == {**IMAGES, "images.zip": ARCHIVE}


def test_a_damaged_split_file_is_fetched_anew_and_kept_if_none_arrives(server, tmp_path):
    entry = data_set(tmp_path, Source(f"{server.url}/split.json", "split.json"))
    entry.kind.split_files = ("split.json",)
    (tmp_path / "colours").mkdir()
    (tmp_path / "colours/split.json").write_bytes(SPLIT[:9])
    server.errors = [404]
    assert len(get(entry)) == 1
    assert files(tmp_path / "colours") == {"split.json": SPLIT[:9]}
    assert get(entry) == []
    assert files(tmp_path / "colours") == {"split.json": SPLIT}


def test_again_without_a_server_loses_nothing(server, tmp_path):
    entry = data_set(tmp_path, Source(f"{server.url}/split.json", "split.json"))
    get(entry)
    server.errors = [404]
    assert len(get(entry, again=True)) == 1
    assert files(tmp_path / "colours") == {"split.json": SPLIT}


def test_what_did_not_come_is_tried_again_by_the_next_call(server, tmp_path):
    entry = data_set(tmp_path, Source(f"{server.url}/split.json", "split.json"))
    server.errors = [404]
    assert len(get(entry)) == 1 and is_unfinished(entry)
    assert get(entry) == [] and not is_unfinished(entry)


def test_what_no_program_can_fetch_is_not_tried_again(tmp_path):
    entry = data_set(tmp_path, Source("https://example.org", "a.zip", "manual", unpack_to="."))
    assert len(get(entry)) == 1 and not is_unfinished(entry)


def test_keep_keeps_the_archive(server, tmp_path):
    get(data_set(tmp_path, images(server)), keep=True)
    assert files(tmp_path / "colours") == {**IMAGES, "images.zip": ARCHIVE}


def test_an_archive_may_hold_the_data_sets_own_folder_and_tar_is_as_good_as_zip(
    monkeypatch, tmp_path
):
    content = {f"colours/{name}": data for name, data in IMAGES.items()}
    with serving(tarred(content), monkeypatch) as server:
        assert get(data_set(tmp_path, images(server, md5=None, unpack_to=".."))) == []
    assert files(tmp_path / "colours") == IMAGES


def test_folders_get_the_names_that_the_field_uses(monkeypatch, tmp_path):
    content = {"v2/data/pictures/red/1.jpg": b"red", "v2/data/list.txt": b"list"}
    rename = (
        ("v2/data/pictures", "images"),
        ("v2/data/list.txt", "list.txt"),
        ("v2/data/not there", "neither"),
    )
    with serving(zipped(content), monkeypatch) as server:
        assert get(data_set(tmp_path, images(server, md5=None, rename=rename))) == []
    assert files(tmp_path / "colours") == {"images/red/1.jpg": b"red", "list.txt": b"list"}


def test_a_process_that_was_killed_while_it_unpacked_is_continued(server, tmp_path, monkeypatch):
    entry = data_set(tmp_path, images(server))

    def killed(source: Path, target: Path) -> None:
        (target / "images/red").mkdir(parents=True)  # a part of it is in place already
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("softcpt.data.unpack.merge_folders", killed)
        with pytest.raises(KeyboardInterrupt):
            get(entry)
    server.ranges.clear()
    assert get(entry) == []
    assert server.ranges == [], "the archive was there"
    assert files(tmp_path / "colours") == IMAGES


def test_a_dropped_connection_and_an_error_of_the_server_are_got_over(server, tmp_path):
    server.drops, server.errors = 1, [503]
    assert get(data_set(tmp_path, images(server))) == []
    assert files(tmp_path / "colours") == IMAGES


@pytest.mark.parametrize("error", [404, 500])
def test_what_cannot_be_fetched_is_listed_step_by_step_and_the_rest_is_fetched(
    server, tmp_path, error
):
    server.errors = [error] * (1 if error == 404 else 5)
    entry = data_set(tmp_path, images(server), Source(f"{server.url}/split.json", "split.json"))
    [failure] = get(entry)
    assert f"HTTP {error}" in str(failure) and "\n" not in str(failure)
    assert [step.split()[0] for step in failure.steps] == ["open", "put", "run"]
    assert str(tmp_path / "colours/images.zip") in failure.steps[1] and MD5 in failure.steps[0]
    assert files(tmp_path / "colours") == {"split.json": SPLIT}


def test_a_later_source_stands_in_for_one_that_fails(server, tmp_path):
    dead = Source(f"{server.url}/dead.zip", "dead.zip", unpack_to=".", gives="images")
    assert get(data_set(tmp_path, dead, images(server))) == []
    assert files(tmp_path / "colours") == IMAGES


def test_wrong_bytes_are_refused_and_nothing_is_left(server, tmp_path):
    [failure] = get(data_set(tmp_path, images(server, md5="0" * 32)))
    assert "wrong md5" in str(failure)
    assert files(tmp_path / "colours") == {}


@pytest.mark.parametrize(
    "body", [ARCHIVE[: len(ARCHIVE) // 2], b"\x1f\x8bnoise"], ids=["half", "noise"]
)
def test_a_damaged_archive_without_a_checksum_is_fetched_again_the_next_time(
    server, tmp_path, body
):
    server.content["images.zip"] = body
    entry = data_set(tmp_path, images(server, md5=None))
    [failure] = get(entry)
    assert "damaged" in str(failure)
    server.content["images.zip"] = ARCHIVE
    assert get(entry) == []
    assert files(tmp_path / "colours") == IMAGES


def test_an_archive_that_leads_outside_is_refused(server, tmp_path):
    server.content["images.zip"] = zipped({"../../evil": b"evil"})
    [failure] = get(data_set(tmp_path, images(server, md5=None)))
    assert "leads outside" in str(failure)
    assert "evil" not in {path.name for path in tmp_path.parent.rglob("*")}


def test_another_archive_than_expected_is_named(server, tmp_path):
    server.content["images.zip"] = zipped({"readme.txt": b"moved"})
    [failure] = get(data_set(tmp_path, images(server, md5=None)))
    assert "holds no images" in str(failure)


def manual(**facts: object) -> Source:
    return Source(
        "https://example.org/form",
        "images.zip",
        "manual",
        note="sign the form",
        **{"unpack_to": ".", "gives": "images", **facts},
    )


def test_an_archive_that_a_person_must_fetch_is_told_then_unpacked_and_kept(tmp_path):
    entry = data_set(tmp_path, manual())
    [failure] = get(entry)
    assert failure.steps == [
        "open https://example.org/form and download images.zip",
        "note: sign the form",
        f"put it at {tmp_path / 'colours/images.zip'}",
        "run this command again, it unpacks the file",
    ]
    (tmp_path / "colours/images.zip").write_bytes(ARCHIVE)
    assert get(entry) == []
    assert files(tmp_path / "colours") == {**IMAGES, "images.zip": ARCHIVE}


def test_a_wrong_archive_put_there_by_hand_is_named_and_kept(tmp_path):
    (tmp_path / "colours").mkdir()
    (tmp_path / "colours/images.zip").write_bytes(b"mine")
    [failure] = get(data_set(tmp_path, manual(md5=MD5)))
    assert "not the published file" in str(failure)
    assert files(tmp_path / "colours") == {"images.zip": b"mine"}


def test_what_a_person_must_sort_is_told_and_found_when_it_is_there(tmp_path):
    entry = data_set(tmp_path, manual(unpack_to=None))
    [failure] = get(entry)
    assert failure.steps[-1] == f"make {tmp_path / 'colours/images'} from it"
    (tmp_path / "colours/images").mkdir()
    assert get(entry) == []


def drive(**facts: object) -> Source:
    return Source(
        "1a2b3c",
        "images.zip",
        "gdrive",
        **{"md5": MD5, "unpack_to": ".", "gives": "images", **facts},
    )


def test_google_drive_is_reached_through_gdown(tmp_path, monkeypatch):
    def download(id: str, output: str, **_: object) -> str:  # noqa: A002 (gdown's name)
        assert id == "1a2b3c"
        Path(output).write_bytes(ARCHIVE)
        return output

    monkeypatch.setattr(gdown, "download", download)
    assert get(data_set(tmp_path, drive())) == []
    assert files(tmp_path / "colours") == IMAGES


def test_a_drive_that_refuses_is_told_with_the_address_for_a_browser(tmp_path, monkeypatch):
    def download(**_: object) -> None:
        raise RuntimeError("Cannot retrieve\nthe public link of the file.")

    monkeypatch.setattr(gdown, "download", download)
    [failure] = get(data_set(tmp_path, drive()))
    assert "Cannot retrieve the public link" in str(failure) and "\n" not in str(failure)
    assert "https://drive.google.com/file/d/1a2b3c/view" in failure.steps[0]


def test_wrong_bytes_from_a_drive_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        gdown, "download", lambda output, **_: Path(output).write_bytes(b"quota") and output
    )
    [failure] = get(data_set(tmp_path, drive()))
    assert "wrong md5" in str(failure)
    assert files(tmp_path / "colours") == {}


KAGGLE = Source("owner/colours", "archive.zip", "kaggle", unpack_to=".", gives="images")


def kagglehub(monkeypatch, credentials: object, dataset_download: object = None) -> None:
    """A stand-in for Kaggle's client."""
    config = types.ModuleType("kagglehub.config")
    config.get_kaggle_credentials = lambda: credentials
    client = types.ModuleType("kagglehub")
    client.dataset_download, client.config = dataset_download, config
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    monkeypatch.setitem(sys.modules, "kagglehub.config", config)


@pytest.mark.parametrize("installed", [True, False])
def test_kaggle_without_credentials_is_told_step_by_step(tmp_path, monkeypatch, installed):
    if installed:
        kagglehub(monkeypatch, None)
    else:
        monkeypatch.setitem(sys.modules, "kagglehub", None)
    entry = data_set(tmp_path, KAGGLE)
    [failure] = get(entry)
    assert (
        isinstance(failure, ManualStepsError)
        and "https://www.kaggle.com/datasets/owner/colours" in failure.steps[0]
    )
    assert "pip install kagglehub" in failure.steps[-1]
    (tmp_path / "colours/archive.zip").write_bytes(ARCHIVE)
    assert get(entry) == []
    assert files(tmp_path / "colours") == {**IMAGES, "archive.zip": ARCHIVE}


def test_kaggle_with_credentials_is_reached_through_kagglehub(tmp_path, monkeypatch):
    def dataset_download(handle: str) -> str:
        assert handle == "owner/colours"
        folder = Path(fetchers.os.environ["KAGGLEHUB_CACHE"], "datasets/owner/colours/versions/1")
        for name, data in IMAGES.items():
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_bytes(data)
        return str(folder)

    monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
    kagglehub(monkeypatch, object(), dataset_download)
    assert get(data_set(tmp_path, KAGGLE)) == []
    assert files(tmp_path / "colours") == IMAGES
    assert "KAGGLEHUB_CACHE" not in fetchers.os.environ


def test_an_error_of_kaggles_client_is_told_in_one_line(tmp_path, monkeypatch):
    def dataset_download(handle: str) -> str:
        raise RuntimeError("403 Client Error.\nResource not found")

    kagglehub(monkeypatch, object(), dataset_download)
    [failure] = get(data_set(tmp_path, KAGGLE))
    assert "403 Client Error. Resource not found" in str(failure) and "\n" not in str(failure)


def test_a_root_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        get(data_set(tmp_path / "file", manual()))


def unproved(server: Server, **facts: object) -> Source:
    return Source(f"{server.url}/split.json", "split.json", **facts)


def test_a_file_that_its_publisher_changed_is_refused_until_somebody_trusts_it(server, tmp_path):
    entry, folder = data_set(tmp_path, unproved(server)), tmp_path / "colours"
    assert get(entry) == []
    server.content["split.json"] = b"{}"
    [failure] = get(entry, again=True)
    assert "gives another file" in str(failure) and str(folder / RECORD) in str(failure)
    assert files(folder) == {"split.json": SPLIT}
    (folder / RECORD).write_text("{}")
    assert get(entry, again=True) == []
    assert files(folder) == {"split.json": b"{}"}


def test_a_file_with_a_published_checksum_is_not_recorded(server, tmp_path):
    get(data_set(tmp_path, images(server)))
    assert not (tmp_path / "colours" / RECORD).exists()


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{", '{"a": {"version": 1, "first": "x"}}'])
def test_a_damaged_record_of_downloads_is_named(server, tmp_path, text):
    (tmp_path / "colours").mkdir()
    (tmp_path / "colours" / RECORD).write_text(text)
    [failure] = get(data_set(tmp_path, unproved(server)))
    assert str(tmp_path / "colours" / RECORD) in str(failure) and "delete it" in str(failure)
    assert not (tmp_path / "colours/split.json").exists()


def test_plain_http_needs_a_checksum(tmp_path):
    [failure] = get(data_set(tmp_path, Source("http://192.0.2.1/split.json", "split.json")))
    assert "plain http" in str(failure)


def test_a_new_version_on_kaggle_is_refused(tmp_path, monkeypatch):
    version = 1

    def dataset_download(handle: str) -> str:
        folder = Path(fetchers.os.environ["KAGGLEHUB_CACHE"], f"versions/{version}")
        (folder / "images").mkdir(parents=True)
        return str(folder)

    kagglehub(monkeypatch, object(), dataset_download)
    entry = data_set(tmp_path, KAGGLE)
    assert get(entry) == []
    (tmp_path / "colours/images").rmdir()
    version = 2
    [failure] = get(entry)
    assert "gives another file (version 2...) than on" in str(failure)


MIRRORED = {"colours/split_zhou_Colours.json": SPLIT, "colours/split_fewshot/shot_1.pkl": b"x"}
MIRRORED |= {f"colours/{name}": data for name, data in IMAGES.items()}


@pytest.fixture
def mirror(server, monkeypatch) -> Server:
    monkeypatch.setattr(coop_mirror, "MIRROR", f"{server.url}/")
    server.content["colours.zip"] = zipped({**MIRRORED, "colours/more": b"0" * 4_000_000})
    return server


def coop(root: Path, *first: Source) -> CatalogEntry:
    name = "split_zhou_Colours.json"
    entry = data_set(root, *first, *coop_mirror.mirrored("colours", "images", name))
    entry.kind.split_files = (name,)
    return entry


def test_the_second_source_gives_images_and_split_and_not_its_draws(mirror, tmp_path):
    dead = Source(f"{mirror.url}/dead.zip", "dead.zip", unpack_to=".", gives="images")
    lost = Source(f"{mirror.url}/lost.json", "split_zhou_Colours.json")
    assert get(coop(tmp_path, dead, lost)) == []
    assert files(tmp_path / "colours").keys() == {*IMAGES, "split_zhou_Colours.json", "more"}


def test_the_second_source_continues_and_leaves_a_split_that_is_there(mirror, tmp_path):
    mirror.drops, mirror.etag = 1, '"1"'
    (tmp_path / "colours").mkdir()
    mine = SPLIT.replace(b" ", b"")
    (tmp_path / "colours/split_zhou_Colours.json").write_bytes(mine)
    assert get(coop(tmp_path)) == []
    assert any(wanted and wanted != "bytes=0-" for wanted in mirror.ranges)
    assert files(tmp_path / "colours")["split_zhou_Colours.json"] == mine


def test_a_single_file_of_the_second_source_takes_a_part_of_the_archive(mirror, tmp_path):
    entry = coop(tmp_path, images(mirror))
    assert get(entry) == []
    assert files(tmp_path / "colours") == {**IMAGES, "split_zhou_Colours.json": SPLIT}
    [key] = json.loads((tmp_path / "colours" / RECORD).read_text())
    assert key.endswith("colours.zip split_zhou_Colours.json")


@pytest.mark.parametrize(
    "content, ranges, said",
    [
        (b"no archive", "yes", "no zip archive"),
        (zipped({"colours/else": b""}), "yes", "there is no such file"),
        (zipped(MIRRORED), "no", "gives only whole files"),
        (zipped(MIRRORED), "wrong", "no zip archive"),
    ],
    ids=["damaged", "lacking", "no-ranges", "wrong-ranges"],
)
def test_an_archive_without_the_file_is_one_line(mirror, tmp_path, content, ranges, said):
    mirror.content["colours.zip"], mirror.ranges_served = content, ranges
    source = coop_mirror.mirrored("colours", "images", "split_zhou_Colours.json")[1]
    [failure] = get(data_set(tmp_path, source))
    assert said in str(failure) and "\n" not in str(failure)
