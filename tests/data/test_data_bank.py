"""The file of decoded pixels: what it holds, when it is made anew, what it survives."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from awsrn_keras.data import PairBank, load_pairs
from awsrn_keras.data import bank as bank_module
from awsrn_keras.data.bank import cached_bank
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing


def random_pairs(count, scale=2, seed=0, side=20):
    rng = np.random.default_rng(seed)
    for i in range(count):
        hr = rng.integers(0, 256, ((side + i) * scale, (side + 7) * scale, 3), dtype=np.uint8)
        yield f"image {i}", hr[::scale, ::scale], hr


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "source.png"
    file.write_bytes(b"some pixels")
    return file


def open_cached(source, seed=0, scale=2, place="here", cache=None, made=None):
    """A cached bank whose pixels are `seed`'s, counting in `made` how often it is made."""

    def make_pairs():
        if made is not None:
            made.append(seed)
        return random_pairs(4, scale, seed)

    return cached_bank("set", [place], [source], make_pairs, scale, cache or source.parent)


def assert_holds(bank, pairs):
    both = bank.pairs()
    for i, (name, lr, hr) in enumerate(pairs):
        np.testing.assert_array_equal(next(both)[1], hr)
        assert bank.names[i] == name
        assert bank.lr_size(i) == lr.shape[:2]
        np.testing.assert_array_equal(bank.lr(i), lr)
        np.testing.assert_array_equal(bank.hr(i), hr)
    assert len(bank) == i + 1
    assert next(both, None) is None


@pytest.mark.parametrize("scale", [2, 3])
def test_a_bank_gives_back_the_pixels_it_was_given(scale):
    bank = PairBank.from_pairs(random_pairs(5, scale), scale)

    assert_holds(bank, random_pairs(5, scale))
    assert bank.scale == scale
    assert not bank.hr(0).flags.writeable


def test_pairs_are_written_one_by_one_as_they_come(tmp_path):
    """The file grows while pairs are made, so that they need not all be in memory."""
    sizes = []

    def pairs():
        for pair in random_pairs(3, side=600):
            sizes.append(max(p.stat().st_size for p in tmp_path.glob(".part-*")))
            yield pair

    (tmp_path / "a").touch()
    cached_bank("set", ["x"], [tmp_path / "a"], pairs, 2, tmp_path)

    one_pair = 5 * 600 * 607 * 3
    assert sizes[0] == 0
    assert sizes[2] - sizes[1] > one_pair * 0.9


def test_a_pair_whose_sizes_disagree_is_refused():
    with pytest.raises(ValueError, match=r"odd: HR .* is not 2 times LR"):
        PairBank.from_pairs([("odd", np.zeros((4, 5, 3), "u1"), np.zeros((8, 11, 3), "u1"))], 2)


def test_a_second_call_reads_the_file_instead_of_making_it_again(source):
    made = []
    open_cached(source, made=made)

    assert_holds(open_cached(source, made=made), random_pairs(4))
    assert made == [0]


def test_a_changed_source_makes_the_file_anew_and_leaves_no_old_one(source):
    old = open_cached(source, seed=0)
    source.write_bytes(b"other pixels")

    assert_holds(open_cached(source, seed=1), random_pairs(4, seed=1))
    assert_holds(old, random_pairs(4, seed=0))  # whoever had it open still has it
    assert len(list(source.parent.glob("*.bank"))) == 1


def test_a_source_of_the_same_size_but_another_time_counts_as_changed(source):
    open_cached(source, seed=0)
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 1))

    assert_holds(open_cached(source, seed=1), random_pairs(4, seed=1))


@pytest.mark.parametrize("other", [{"scale": 3}, {"place": "there"}])
def test_another_scale_or_place_has_a_file_of_its_own(source, other):
    open_cached(source)

    assert_holds(open_cached(source, seed=1, **other), random_pairs(4, other.get("scale", 2), 1))
    assert_holds(open_cached(source, seed=2), random_pairs(4, seed=0))


def test_places_whose_file_names_agree_are_told_apart(source):
    """The name holds eight hexadecimal digits, the file the whole digest."""
    one, other = open_cached(source, place="one"), open_cached(source, place="other", seed=1)
    one.path.replace(other.path)

    assert_holds(open_cached(source, place="other", seed=1), random_pairs(4, seed=1))


def test_a_digest_is_that_of_names_sizes_and_pixels(source):
    bank = open_cached(source)
    assert len(bank.digest) == 64
    assert PairBank.from_pairs(random_pairs(4), 2).digest == bank.digest
    first, *rest = random_pairs(4)
    others = [
        [("other name", *first[1:]), *rest],
        [(first[0], first[1], first[2] ^ (np.arange(first[2].size) == 7).reshape(first[2].shape))],
        rest,
        [("swapped", first[1].swapaxes(0, 1), first[2].swapaxes(0, 1)), *rest],
    ]
    digests = [PairBank.from_pairs(pairs, 2).digest for pairs in others]
    assert len({bank.digest, *digests}) == 5


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_damaged_cache_file_is_made_anew(source, keep):
    path = open_cached(source).path
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])

    assert_holds(open_cached(source, seed=1), random_pairs(4, seed=1))


def test_a_failure_while_making_leaves_the_earlier_file_untouched(source):
    path = open_cached(source).path
    before = path.read_bytes()
    source.write_bytes(b"changed")

    def fail():
        yield from random_pairs(2, seed=1)
        raise InputError("b.png: damaged image.")

    with pytest.raises(InputError, match=r"b\.png: damaged"):
        cached_bank("set", ["here"], [source], fail, 2, source.parent)

    assert path.read_bytes() == before
    assert {p.suffix for p in source.parent.iterdir()} == {".png", ".bank", ".lock"}


def test_what_a_killed_process_left_is_cleared_away(source):
    path = open_cached(source).path
    with replacing(path) as stale, replacing(path.with_name("other.bank")) as other:
        stale.touch(), other.touch()
    stale.write_bytes(b"half a bank")
    other.write_bytes(b"being written by somebody else")
    source.write_bytes(b"changed")

    open_cached(source)

    assert not stale.exists()
    assert other.exists()


def open_and_check(folder, started):
    started.wait()

    def make_pairs():
        with (Path(folder) / "made").open("a") as file:
            file.write("x")
        return random_pairs(30, side=150)

    bank = cached_bank("set", ["x"], [Path(folder) / "source.png"], make_pairs, 2, folder)
    assert_holds(bank, random_pairs(30, side=150))


@pytest.mark.slow
def test_processes_at_once_make_it_once_and_read_the_same(source):
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(3)
    workers = [
        context.Process(target=open_and_check, args=(source.parent, started)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (source.parent / "made").read_text() == "x"


def test_a_cache_folder_that_cannot_be_made_is_named_with_the_cure(source):
    with pytest.raises(InputError, match=r"Cannot write .*source\.png/inside/.*AWSRN_CACHE"):
        open_cached(source, cache=source / "inside")


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(source):
    program = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_data_bank import open_cached
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))  # bytes a file may have
open_cached(Path({str(source)!r}))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "InputError: Cannot write the cache of decoded images" in result.stderr
    assert "File too large" in result.stderr
    assert {p.suffix for p in source.parent.iterdir()} == {".png", ".lock"}


def test_the_cache_folder_is_that_of_the_environment(source, tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "mine"))

    bank = cached_bank("set", ["x"], [source], lambda: random_pairs(1), 2)

    assert bank.path.parent == tmp_path / "mine"
    assert bank.path.name.startswith("set_")


def resident_bytes_of(path):
    """How much of a mapped file counts as this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    total = 0
    for line in lines:
        if line.endswith(str(path)):
            rss = next(rest for rest in lines if rest.startswith("Rss:"))
            total += int(rss.split()[1]) * 1024
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's smaps")
def test_pages_of_a_large_bank_are_given_back(source, monkeypatch):
    bank = cached_bank("set", ["x"], [source], lambda: random_pairs(20, side=300), 2, source.parent)
    total = bank.path.stat().st_size

    def peak(rounds=3):
        most = 0
        for i in list(range(len(bank))) * rounds:
            assert bank.hr(i).sum() > 0
            most = max(most, resident_bytes_of(bank.path))
        return most

    monkeypatch.setattr(bank_module, "_VIEWS_KEPT", 4)
    assert peak() > 0.7 * total  # small: it stays
    monkeypatch.setattr(bank_module, "_LARGE", total - 1)
    bank.hr(0), bank.hr(1), bank.hr(2), bank.hr(3)
    assert peak() < 0.3 * total
    assert_holds(bank, random_pairs(20, side=300))


def test_without_filelock_the_sample_loads_and_a_folder_names_the_cure(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "filelock", None)
    assert len(load_pairs("sample", 8, "validation")) > 0
    with pytest.raises(InputError, match="pip install filelock"):
        open_cached(source)
