"""Videos: what a reader that is not ours (PyAV) finds in the results."""

import io
import time
from fractions import Fraction

import numpy as np
import pytest
from clips import SRT, luma, make_clip, packets, scene, shown, uneven
from folders import contents
from optional import optional
from PIL import Image

import awsrn_keras as awsrn
from awsrn_keras import InputError
from awsrn_keras.upscaling.engines import make_engine
from awsrn_keras.upscaling.jobs import VIDEO, Job
from awsrn_keras.upscaling.video import VideoOptions, check_video, upscale_video

av = optional("av")
LEFT = (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)  # a phone held upright


@pytest.fixture(scope="module")
def engine():
    return make_engine("awsrn_nano_x2", "litert", "int8")


def upscaled(source, target, engine, **options):
    job, how = Job(source, target, VIDEO), VideoOptions("awsrn_nano_x2 in int8", **options)
    check_video(job, engine.scale, how)
    return upscale_video(job, engine, how, lambda: make_engine("awsrn_nano_x2", "litert"))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_everything_but_the_pictures_is_as_it_was(tmp_path, engine, suffix):
    (tmp_path / "text.srt").write_text(SRT)
    times = uneven(60)
    source = make_clip(
        tmp_path / f"clip{suffix}",
        times,
        sounds=("deu", "fra"),
        subtitles=tmp_path / "text.srt" if suffix == ".mkv" else False,
        chapters=True,
        title="A walk",
        matrix=LEFT,
        sample_aspect_ratio=Fraction(4, 3),
        color_primaries=5,
        color_trc=6,
        colorspace=5,
        color_range=1,
    )
    target = tmp_path / "out" / f"result{suffix}"

    lines = upscaled(source, target, engine)

    assert lines[0].startswith(f"{source} -> {target}  96x54 -> 192x108  60 frames  ")
    assert len(lines) == 1, lines
    before, after = packets(source), packets(target)
    assert sorted(after) == sorted(before) == list(range(4 if suffix == ".mkv" else 3))
    assert len(before[0]) == 60
    assert len({content for _, content in before[1]} & {content for _, content in before[2]}) < 5
    # Matroska counts milliseconds, and begins with the lead of the sound.
    times = [sorted(seconds for seconds, _ in found[0]) for found in (before, after)]
    assert times[0] == times[1]
    assert len(set(np.diff([float(seconds) for seconds in times[1]]).round(3))) > 20
    for track in list(before)[1:]:
        assert after[track] == before[track]
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert new.metadata["title"] == "A walk"
        assert [chapter["metadata"]["title"] for chapter in new.chapters()] == ["One", "Two"]
        starts = [chapter["start"] * chapter["time_base"] for chapter in new.chapters()]
        assert starts == [0, 1]
        for one, other in zip(old.streams, new.streams, strict=True):
            assert (one.type, one.disposition) == (other.type, other.disposition)
            assert one.metadata.get("language") == other.metadata.get("language")
        video, context = new.streams.video[0], new.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (192, 108)
        assert video.sample_aspect_ratio == Fraction(4, 3)
        tags = context.color_primaries, context.color_trc, context.colorspace, context.color_range
        assert tags == (5, 6, 5, 1)
    decode_times = []
    with av.open(str(target)) as container:
        for packet in container.demux(video=0):
            if packet.dts is not None:
                decode_times.append(packet.dts)
                assert packet.dts <= packet.pts
    assert decode_times == sorted(set(decode_times))
    assert shown(target)[0][1].rotation == shown(source)[0][1].rotation == 90
    assert not target.with_name(target.name + ".parts").exists()


MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 2: (0.299, 0.114)}


@pytest.mark.parametrize(("matrix", "limits"), [(1, 1), (1, 2), (6, 1), (6, 2), (2, 1)])
def test_colours_are_those_that_were_meant(tmp_path, engine, matrix, limits):
    """Flat colours, against the equations of ITU-R BT.709 and BT.601."""
    red, blue = MATRICES[matrix]
    colours = np.array([[200, 60, 30], [20, 180, 90], [40, 50, 210], [128, 128, 128]], float)
    y = colours @ [red, 1 - red - blue, blue]
    cb, cr = (colours[:, 2] - y) / (2 - 2 * blue), (colours[:, 0] - y) / (2 - 2 * red)
    scale, zero, chroma = (219 / 255, 16, 224 / 255) if limits == 1 else (1, 0, 1)
    samples = np.rint([y * scale + zero, cb * chroma + 128, cr * chroma + 128]).astype(np.uint8)
    source = tmp_path / "clip.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", 24)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, limits
        planes = np.repeat(np.repeat(samples, 16, axis=1)[:, None], 32, axis=1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), "yuv444p")
        frame.color_range = limits
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    upscaled(source, tmp_path / "out.mkv", engine, crf=1)

    (_, frame), *more = shown(tmp_path / "out.mkv")
    assert not more
    result = frame.to_ndarray(), frame.width
    height = frame.height
    planes = [luma(frame)[height // 2, 16::32]]
    for plane in frame.planes[1:]:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        planes.append(rows[plane.height // 2, 8::16])
    assert np.abs(np.array(planes, int) - samples.astype(int)).max() <= 2, result
    context = av.open(str(tmp_path / "out.mkv")).streams.video[0].codec_context
    assert (context.colorspace, context.color_range) == (6 if matrix == 2 else matrix, limits)


def test_a_clip_that_was_shrunk_comes_back_better_than_by_bicubic(tmp_path, engine):
    large = [scene(number, 192, 112) for number in range(6)]
    small = [awsrn.imresize(picture, scale=0.5) for picture in large]
    source = make_clip(
        tmp_path / "clip.mkv",
        range(0, 6 * 3750, 3750),
        (96, 56),
        "ffv1",
        "bgr0",
        picture=lambda number, width, height: small[number],
    )

    upscaled(source, tmp_path / "out.mkv", engine)

    ours, bicubic = [], []
    for (_, frame), picture, little in zip(shown(tmp_path / "out.mkv"), large, small, strict=True):
        ours.append(awsrn.psnr_y(frame.to_ndarray(format="rgb24"), picture, 4))
        bicubic.append(awsrn.psnr_y(awsrn.imresize(little, scale=2), picture, 4))
    assert np.mean(ours) > np.mean(bicubic) + 0.5, (ours, bicubic)


def test_ten_bits_stay_ten_bits(tmp_path, engine):
    """A ramp so shallow that 8 bits would show steps."""
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 24)
        stream.width, stream.height, stream.pix_fmt = 128, 48, "yuv420p10le"
        ramp = np.linspace(400, 432, 128).round().astype(np.uint16)
        planes = np.concatenate([np.tile(ramp, 48), np.full(128 * 48 // 2, 512, np.uint16)])
        frame = av.VideoFrame.from_ndarray(planes.reshape(72, 128), "yuv420p10le")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    lines = upscaled(tmp_path / "clip.mkv", tmp_path / "out.mp4", engine, crf=4)

    assert lines[1:] == ["  note: more than 8 bits: upscaled in floating point"]
    (_, frame), *_ = shown(tmp_path / "out.mp4")
    middle = luma(frame)[48, 32:-32].astype(int)
    assert len(np.unique(middle)) >= 14  # of 17 levels in 10 bits; 8 bits have 5
    assert np.abs(middle - np.linspace(400, 432, 256)[32:-32]).max() <= 2
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.profile, context.codec_tag) == ("hevc", "Main 10", "hvc1")

    lines = upscaled(tmp_path / "clip.mkv", tmp_path / "plain.mp4", engine, codec="h264")

    assert lines[1:] == ["  note: not kept: more than 8 bits; --codec hevc keeps 10"]
    assert shown(tmp_path / "plain.mp4")[0][1].format.name == "yuv420p"


def test_x3_of_odd_sizes_leaves_out_a_row_and_says_so(tmp_path):
    source = make_clip(tmp_path / "clip.mkv", [0, 3750], (33, 21), "ffv1", "bgr0")

    lines = upscaled(source, tmp_path / "x3.mp4", make_engine("awsrn_nano_x3", "litert", "int8"))

    assert lines[1:] == ["  note: not kept: the last row or column, as videos have even sizes"]
    assert [(f.width, f.height) for _, f in shown(tmp_path / "x3.mp4")] == [(98, 62)] * 2


def test_a_single_frame_and_a_clock_that_runs_free(tmp_path, engine):
    source = make_clip(tmp_path / "one.mp4", [0])
    upscaled(source, tmp_path / "one_x2.mp4", engine)
    assert [seconds for seconds, _ in shown(tmp_path / "one_x2.mp4")] == [0]

    source = make_clip(tmp_path / "clip.ts", sounds=("eng",))
    upscaled(source, tmp_path / "clip.mp4", engine)

    before, after = shown(source), shown(tmp_path / "clip.mp4")
    assert before[0][0] > 0.05
    assert after[0][0] < 0.03
    assert np.ptp([float(b - a) for (b, _), (a, _) in zip(before, after, strict=True)]) < 1e-9
    sound = [packets(path)[1][0][0] for path in (source, tmp_path / "clip.mp4")]
    assert float(before[0][0] - sound[0]) == pytest.approx(float(after[0][0] - sound[1]), abs=1e-4)


def test_damage_is_named_and_the_time_line_stays(tmp_path, engine):
    """Ranges of the file overwritten: most frames suffer, and none moves."""
    whole = make_clip(tmp_path / "whole.mp4", uneven(90), size=(160, 96), sounds=("eng",))
    content = bytearray(whole.read_bytes())
    random = np.random.default_rng(1)
    for start in random.integers(4000, len(content) // 2, 6):
        content[start : start + 60] = bytes(random.integers(0, 256, 60, dtype=np.uint8))
    (tmp_path / "damaged.mp4").write_bytes(content)

    lines = upscaled(tmp_path / "damaged.mp4", tmp_path / "out.mp4", engine)

    notes = [line for line in lines if "damaged" in line]
    assert notes
    assert all(line.startswith("  note: 0:0") for line in lines[1:]), lines
    times = [seconds for seconds, _ in shown(whole)]
    kept = [seconds for seconds, _ in shown(tmp_path / "out.mp4")]
    assert 45 < len(kept) <= 90
    assert set(kept) <= set(times)

    cut = make_clip(tmp_path / "cut.mkv", uneven(90))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    lines = upscaled(cut, tmp_path / "cut_x2.mkv", engine)
    assert "the video ends, although its header says 0:0" in lines[-1]


X264 = {"codec": "libx264"}
X265 = {"codec": "libx265", "samples": "yuv420p10le", "options": {"x265-params": "log-level=none"}}
DRM = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}
REFUSED = {
    "is interlaced": {"size": (96, 64), "options": {"x264-params": "interlaced=1"}},
    "is HDR video (PQ)": X265 | {"color_trc": 16, "colorspace": 9, "color_primaries": 9},
    "is HDR video (HLG)": X265 | {"color_trc": 18, "colorspace": 9, "color_primaries": 9},
    "is encrypted (DRM)": {"container_options": DRM},
    "a colour matrix that is not supported (number 8)": {"colorspace": 8},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_right_is_refused_in_one_line(tmp_path, engine, reason):
    source = make_clip(tmp_path / "clip.mp4", range(0, 12 * 3750, 3750), **REFUSED[reason])
    before = contents(tmp_path)
    with pytest.raises(InputError) as error:
        upscaled(source, tmp_path / "out.mp4", engine)
    assert reason in str(error.value)
    assert str(error.value).startswith(f"{source}: ")
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before


def test_files_that_are_no_video(tmp_path, engine):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video" * 100)
    (tmp_path / "sub.srt").write_text(SRT)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        track = container.add_stream("aac", 48000, layout="stereo")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), "s16", "stereo")
        sound.sample_rate = 48000
        container.mux(track.encode(sound))
        container.mux(track.encode(None))
    reasons = {
        "empty.mp4": "damaged or not a video",
        "text.mp4": "damaged or not a video",
        "sound.mp4": "holds no video",
        "missing.mp4": "No such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            upscaled(tmp_path / name, tmp_path / "out.mp4", engine)
    with av.open(str(tmp_path / "pcm.avi"), "w") as container:
        video = container.add_stream("mjpeg", 24)
        video.width, video.height, video.pix_fmt = 32, 32, "yuvj420p"
        track = container.add_stream("pcm_u8", 48000, layout="stereo")
        frame = av.VideoFrame.from_ndarray(scene(0, 32, 32), "rgb24").reformat(format="yuvj420p")
        container.mux([*video.encode(frame), *video.encode(None)])
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.uint8), "u8", "stereo")
        sound.sample_rate = 48000
        container.mux([*track.encode(sound), *track.encode(None)])
    with pytest.raises(InputError, match=r"\.mp4 cannot hold .*audio pcm_u8.*name the result"):
        upscaled(tmp_path / "pcm.avi", tmp_path / "out.mp4", engine)
    subtitled = make_clip(tmp_path / "clip.mkv", subtitles=tmp_path / "sub.srt")
    with pytest.raises(InputError, match=r"\.mp4 cannot hold .*subtitle.*name the result \.mkv"):
        upscaled(subtitled, tmp_path / "out.mp4", engine)
    assert not list(tmp_path.glob("out*"))


def test_frames_that_change_their_size_end_it_with_the_time(tmp_path, engine):
    first = make_clip(tmp_path / "one.ts", range(0, 24 * 3750, 3750), (96, 54))
    other = make_clip(tmp_path / "two.ts", range(90000, 48 * 3750, 3750), (64, 54))
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + other.read_bytes())
    with pytest.raises(InputError, match=r"frames change their size at 0:01\.\d: cut it there"):
        upscaled(tmp_path / "both.ts", tmp_path / "out.mp4", engine)
    assert not list(tmp_path.glob("out*"))


class Interrupted(Exception):
    pass


def test_an_interrupted_run_goes_on_and_gives_the_same_file(tmp_path, engine):
    times = range(0, 32 * 90000, 30000)  # 3 a second: four segments
    source = make_clip(tmp_path / "clip.mp4", times, (48, 32), sounds=("eng",))
    upscaled(source, tmp_path / "whole.mp4", engine)
    job = Job(source, tmp_path / "out.mp4", VIDEO)
    parts = tmp_path / "out.mp4.parts"

    def stop_after(frames):
        def progress(job, done, total):
            if done == frames:
                raise Interrupted

        return progress

    how = VideoOptions("awsrn_nano_x2 in int8", resume=True)
    with pytest.raises(Interrupted):
        upscale_video(job, engine, how, progress=stop_after(20))
    assert not parts.exists()  # no segment was whole
    for segments in (1, 2):
        with pytest.raises(Interrupted):
            upscale_video(job, engine, how, progress=stop_after(31))
        assert len(list(parts.glob("*.nut"))) == segments
    with pytest.raises(InputError, match=r"out\.mp4\.parts: left by an interrupted run: --resume"):
        check_video(job, 2, VideoOptions("awsrn_nano_x2 in int8"))
    with pytest.raises(InputError, match="was begun with --crf 18, not 30: choose the same"):
        check_video(job, 2, VideoOptions("awsrn_nano_x2 in int8", crf=30, resume=True))
    with pytest.raises(InputError, match="begun with model awsrn_nano_x2 in int8, not another"):
        check_video(job, 2, VideoOptions("another", resume=True))

    counts = []
    check_video(job, 2, how)
    upscale_video(job, engine, how, progress=lambda job, done, total: counts.append((done, total)))

    assert counts[0] == (1, 36)
    assert counts[-1] == (36, 36)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not parts.exists()
    (tmp_path / "out.mp4").unlink()
    with pytest.raises(Interrupted):
        upscale_video(job, engine, how, progress=stop_after(40))
    upscaled(source, tmp_path / "out.mp4", engine, overwrite=True)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def interrupted_run(tmp_path, engine, **options):
    """A clip of four segments, and the folder that a run has left after two."""
    source = make_clip(tmp_path / "clip.mp4", range(0, 32 * 90000, 30000), (48, 32))
    job = Job(source, tmp_path / "out.mp4", VIDEO)

    def stop(job, done, total):
        if done == 70:
            raise Interrupted

    with pytest.raises(Interrupted):
        upscale_video(job, engine, VideoOptions("net", **options), progress=stop)
    return job, tmp_path / "out.mp4.parts"


def test_segments_that_are_gone_or_cut_are_noticed(tmp_path, engine):
    job, parts = interrupted_run(tmp_path, engine)
    how = VideoOptions("net", resume=True)
    check_video(job, 2, how)
    segment = parts / "000000.nut"
    content = segment.read_bytes()
    for damage in (lambda: segment.write_bytes(content[:99]), segment.unlink):
        damage()
        with pytest.raises(InputError, match=r"000000\.nut: is missing or damaged: begin anew"):
            check_video(job, 2, how)
    segment.write_bytes(content)
    check_video(job, 2, how)
    clip = bytearray(job.source.read_bytes())
    job.source.write_bytes(clip)  # as many bytes, but written later
    with pytest.raises(InputError, match=r"was begun with clip of .* bytes, changed at"):
        check_video(job, 2, how)


def test_an_interrupted_replacement_goes_on_too(tmp_path, engine):
    (tmp_path / "out.mp4").write_bytes(b"old")
    job, parts = interrupted_run(tmp_path, engine, overwrite=True)
    how = VideoOptions("net", resume=True)
    check_video(job, 2, how)
    upscale_video(job, engine, how)
    assert len(shown(tmp_path / "out.mp4")) == 96
    assert not parts.exists()
    with pytest.raises(InputError, match="is there already"):
        check_video(job, 2, how)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, engine):
    source = make_clip(tmp_path / "clip.mp4", [0])
    parts = tmp_path / "out.mp4.parts"
    parts.mkdir()
    (parts / "mine.txt").write_text("mine")
    for content in (None, "[]", "{}"):
        if content:
            (parts / "state.json").write_text(content)
        for options in ({"overwrite": True}, {"resume": True}, {}):
            with pytest.raises(InputError, match=r"is no folder of segments, or damaged: move it"):
                upscaled(source, tmp_path / "out.mp4", engine, **options)
    assert (parts / "mine.txt").read_text() == "mine"


def test_a_mistake_in_the_clip_leaves_no_segments(tmp_path, engine):
    first = make_clip(tmp_path / "one.ts", range(0, 12 * 90000, 30000), (64, 36))
    other = make_clip(tmp_path / "two.ts", range(13 * 90000, 14 * 90000, 30000), (48, 36))
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + other.read_bytes())
    with pytest.raises(InputError, match="change their size at 0:1"):
        upscaled(tmp_path / "both.ts", tmp_path / "out.mp4", engine)
    assert not list(tmp_path.glob("out*"))


def test_time_codes_and_frame_rates_are_those_of_the_clip(tmp_path, engine):
    source = make_clip(tmp_path / "clip.mov", size=(96, 54), timecode="01:00:00:00")
    for suffix in (".mov", ".mp4", ".mkv"):
        target = tmp_path / f"out{suffix}"
        assert len(upscaled(source, target, engine)) == 1
        with av.open(str(target)) as container:
            video = container.streams.video[0]
            assert abs(video.average_rate - 24) < 0.1
            tags = {**container.metadata, **video.metadata}
            assert "01:00:00:00" in tags.values()


def test_a_cover_picture_stays_one(tmp_path, engine):
    plain = make_clip(tmp_path / "plain.mp4", sounds=("eng",))
    picture = io.BytesIO()
    Image.fromarray(scene(0, 40, 40)).save(picture, "JPEG")
    with av.open(str(plain)) as old, av.open(str(tmp_path / "clip.mp4"), "w") as new:
        copies = {s: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        cover = new.add_stream("mjpeg", 1)
        cover.width = cover.height = 40
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream]
                new.mux(packet)
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        new.mux(packet)
    for suffix in (".mp4", ".mkv"):
        target = tmp_path / f"out{suffix}"
        upscaled(tmp_path / "clip.mp4", target, engine)
        with av.open(str(target)) as container:
            *_, last = container.streams.video
            assert last.disposition & av.stream.Disposition.attached_pic
            assert bytes(next(container.demux(last))) == picture.getvalue()
            assert len(container.streams.video) == 2


def test_chroma_stays_where_it_is(tmp_path):
    """A red bar whose chroma lies to the left, as in most videos: its middle must not move."""
    width, height = 160, 32
    v = np.full(width, 128.0)
    v[60:100] = 180
    padded = np.pad(v, 1, mode="edge")
    left = ((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)[::2]
    planes = [
        np.full((height, width), 100.0),
        np.full((height // 2, width // 2), 128.0),
        np.tile(left, (height // 2, 1)),
    ]
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        flat = np.concatenate([plane.ravel() for plane in planes]).round().astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), "yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    upscaled(tmp_path / "clip.mkv", tmp_path / "out.mkv", make_engine("awsrn_nano_x4"), crf=1)

    ((_, frame),) = shown(tmp_path / "out.mkv")
    plane = frame.planes[2]
    row = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[plane.height // 2, : plane.width]
    bar = np.flatnonzero(row > 154)
    # Of luma the bar covers 240 to 400; chroma sample i lies at luma sample 2 * i.
    assert 2 * bar.mean() == pytest.approx(319.5, abs=1)


def test_upscale_frames_is_upscale_for_each_frame_and_reads_only_a_few_ahead(engine):
    taken = 0

    def frames():
        nonlocal taken
        for taken in range(1, 41):
            yield scene(taken, 40, 28)

    results = awsrn.upscale_frames(frames(), engine)
    for number in range(1, 6):
        result = next(results)
        time.sleep(0.1)
        assert taken <= number + 11
        np.testing.assert_array_equal(result, awsrn.upscale(scene(number, 40, 28), engine))
    results.close()
    assert taken < 20


def test_a_buffer_may_be_used_again_for_the_next_frame(engine):
    buffer = np.empty((20, 24, 3), np.uint8)

    def frames():
        for level in range(0, 240, 30):
            buffer[:] = level
            yield buffer

    means = [
        round(result[10:-10, 10:-10].mean()) for result in awsrn.upscale_frames(frames(), engine)
    ]
    assert means == pytest.approx(list(range(0, 240, 30)), abs=2)


def test_errors_of_the_frames_come_through(engine):
    def frames():
        yield scene(0, 40, 28)
        raise OSError("the camera was unplugged")

    results = awsrn.upscale_frames(frames(), engine)
    assert next(results).shape == (56, 80, 3)
    with pytest.raises(OSError, match="unplugged"):
        next(results)
    with pytest.raises(InputError, match="awsrn_typo: no such model"):
        awsrn.upscale_frames([], "awsrn_typo")
    float_frames = [np.zeros((8, 9, 3), np.uint16)]
    with pytest.raises(InputError, match="8-bit network takes uint8"):
        list(awsrn.upscale_frames(float_frames, engine))
