"""Each hostile `.keras` archive is refused before Keras unpacks anything."""

import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import hostile_models as hostile
from refusals import assert_refused

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def with_member(name: str) -> Callable[[Path], Path]:
    def plant(path: Path) -> Path:
        members = list(hostile.read_members(path).items())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a duplicate name
            return hostile.write_members(path, [*members, (name, b"{}")])

    return plant


def with_symlink(path: Path) -> Path:
    members = hostile.read_members(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        link = zipfile.ZipInfo("assets")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    return path


def with_larger_weights_on_paper(path: Path) -> Path:
    """State a size of the weights under which an array of 4 GB is no surprise."""
    members = hostile.read_members(path)
    weights = hostile.write_network(path.with_name("weights.h5"))
    hostile.add_array(weights, "zeros", (10**9,), chunks=(10**6,), compression="gzip")
    members["model.weights.h5"] = weights.read_bytes()
    hostile.write_members(path, list(members.items()))
    body = bytearray(path.read_bytes())
    entry = body.rindex(b"model.weights.h5") - 46  # APPNOTE 4.3.12: the size is at 24
    struct.pack_into("<I", body, entry + 24, 2_000_000_000)
    path.write_bytes(body)
    return path


def with_version(text: str) -> Callable[[Path], Path]:
    def plant(path: Path) -> Path:
        members = {**hostile.read_members(path), "metadata.json": text.encode()}
        return hostile.write_members(path, list(members.items()))

    return plant


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (with_member("../../etc/cron.d/x"), r"contains '../../etc/cron.d/x', which is not part"),
        (with_member("/etc/passwd"), "contains '/etc/passwd', which is not part"),
        (with_member("assets/vocabulary.txt"), "contains 'assets/vocabulary.txt', which is not"),
        (with_member("config.json"), "contains config.json twice"),
        (with_symlink, "contains 'assets', which is not part"),
        (lambda path: hostile.compress(path, weights_bytes=10**8), "compressed or encrypted"),
        (with_larger_weights_on_paper, "contains model.weights.h5 compressed or encrypted"),
        (with_version("[1]"), "does not state the version of Keras"),
        (with_version("{}"), "does not state the version of Keras"),
    ],
)
def test_a_hostile_archive_is_refused(
    plant: Callable[[Path], Path], complaint: str, tmp_path: Path
) -> None:
    assert_refused(plant(hostile.write_network(tmp_path / "model.keras")), complaint)


@pytest.mark.parametrize("member", ["config.json", "metadata.json"])
def test_a_definition_of_many_bytes_is_refused_unread(member: str, tmp_path: Path) -> None:
    path = hostile.write_network(tmp_path / "model.keras")
    members = hostile.read_members(path)
    members[member] += b" " * 60_000_000
    hostile.write_members(path, list(members.items()))
    complaint = r"has a definition of 60,\d+,\d+ bytes; at most 20,000,000 are allowed"
    assert_refused(path, complaint, additional_bytes=40_000_000)
