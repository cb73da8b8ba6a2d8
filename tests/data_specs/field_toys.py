"""Small copies of sets of the field, in the layout they are handed out in."""

import csv
import json
import pickle
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

RATE_HZ = 16000


def table(path: Path, header, rows) -> None:
    """Writes a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def film(path: Path, codec: str, sound: bool) -> None:
    """Writes half a second of film, with its sound or silent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        pictures = file.add_stream(codec, rate=10)
        pictures.width, pictures.height = 64, 48
        pictures.pix_fmt = "yuv420p"
        if sound:
            heard = file.add_stream("aac", rate=RATE_HZ)
            wave = np.sin(np.arange(RATE_HZ // 2) / 8)[None].astype("f4")
            frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate = RATE_HZ
            file.mux(heard.encode(frame))
            file.mux(heard.encode(None))
        for grey in range(0, 250, 50):
            picture = np.full((48, 64, 3), grey, "u1")
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(pictures.encode(None))


def cmu_mosi(folder: Path, lengths=(63, 8, 20, 31, 12, 9), test=(8, 40, 17)):
    """Writes pickles of Python 2's protocol; the sign of a hidden number,
    told in halves by text and sound, is the class of an utterance."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    sizes = {"text": 100, "audio": 73, "video": 100}
    parts = {name: [] for name in sizes}
    for counts in (lengths, test):
        hidden = draw.normal(size=(2, len(counts), 63))
        labels = np.eye(2)[(hidden.sum(axis=0) > 0).astype(int)]
        past = np.arange(63) >= np.array(counts)[:, None]
        labels[past] = 0
        for name, size in sizes.items():
            values = draw.normal(size=(len(counts), 63, size))
            if name != "video":
                values[..., 0] = 2 * hidden[int(name == "audio")]
            values[past] = 0
            parts[name].append((values.astype("f4"), labels, list(counts)))
    for name, ((x, y, n), (tx, ty, tn)) in parts.items():
        with open(folder / f"{name}_2way.pickle", "wb") as file:
            pickle.dump((x, y, tx, ty, 63, n, tn), file, protocol=2)


def crema_d(folder: Path) -> None:
    """Writes eight actors with two clips each, of which one lacks its film,
    one is a pointer of git-lfs, and one has two emotions with as many votes."""
    sound, actors, votes = folder / "AudioWAV", [], []
    sound.mkdir(parents=True)
    film(folder / "one.flv", "flv1", sound=False)
    wave = np.sin(np.arange(RATE_HZ // 4) / 9) * 0.3
    (folder / "VideoFlash").mkdir()
    for actor in range(1001, 1009):
        actors.append([actor, 20 + actor % 50, "Female", "Asian", "Hispanic"])
        for emotion in ("ANG", "SAD"):
            name = f"{actor}_IEO_{emotion}_HI"
            soundfile.write(sound / f"{name}.wav", wave, RATE_HZ)
            copy = folder / "VideoFlash" / f"{name}.flv"
            copy.write_bytes((folder / "one.flv").read_bytes())
            tie = name == "1003_IEO_SAD_HI"
            # The voice alone seems angry to all, with its face it is sad.
            for kind, sad in (("1", 0), ("3", 4 if tie else 6)):
                said = "A:S" if tie else "S" if sad else "A"
                votes.append(
                    [f"{kind}00001", 4, 0, 0, 0, 0, sad, name, 10, 0.6, said]
                )
    (folder / "VideoFlash/1001_IEO_ANG_HI.flv").unlink()
    (folder / "VideoFlash/1002_IEO_ANG_HI.flv").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    header = ["ActorID", "Age", "Sex", "Race", "Ethnicity"]
    table(folder / "VideoDemographics.csv", header, actors)
    header = ["", *"ADFHNS", "fileName", "numResponses", "agreement", "emoVote"]
    table(folder / "processedResults/tabulatedVotes.csv", header, votes)


def sentiment140(folder: Path) -> None:
    """Writes tweets of sixty users, one with both labels, one twice."""
    folder.mkdir(parents=True)
    date = "Mon Apr 06 22:19:45 PDT 2009"
    rows = [
        [(0, 4)[i % 2], i, date, "NO_QUERY", f"user{i % 60}",
         f"{('sad', 'glad')[i % 2]} caf\xe9 &amp; tea {i} http://x.y/{i}"]
        for i in range(120)
    ]  # fmt: skip
    rows += [[4, 0, *rows[0][2:]], rows[3]]
    tests = [[p, i, date, "tea", "u", f"tea {i}"] for i, p in enumerate("0424")]
    files = {
        "training.1600000.processed.noemoticon.csv": rows,
        "testdata.manual.2009.06.14.csv": tests,
    }
    for name, found in files.items():
        with open(folder / name, "w", newline="", encoding="latin-1") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(found)


def av_mnist(folder: Path, train=30, test=10) -> None:
    """Writes arrays as MultiBench has them, one pixel below 0."""
    draw = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        pictures = draw.uniform(0, 255, (count, 784))
        pictures[0, 0] = -3.0
        spectrograms = draw.integers(0, 255, (count, 112, 112), "u1")
        for name, found in (("image", pictures), ("audio", spectrograms)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            np.save(folder / name / f"{part}_data.npy", found)
        np.save(folder / f"{part}_labels.npy", np.arange(count) % 10.0)


def meld(folder: Path) -> None:
    """Writes four dialogues a part; a clip is missing, one is broken, one
    belongs to no row, and a text has a misread apostrophe."""
    parts = {"train": "train_splits", "dev": "dev_splits_complete",
             "test": "output_repeated_splits_test"}  # fmt: skip
    header = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment",
              "Dialogue_ID", "Utterance_ID", "Season", "Episode",
              "StartTime", "EndTime"]  # fmt: skip
    film(folder / "one.mp4", "mpeg4", sound=True)
    clip = (folder / "one.mp4").read_bytes()
    for part, clips in parts.items():
        place = folder / "train" if part == "train" else folder
        (place / clips).mkdir(parents=True)
        rows = []
        for number in range(16 if part == "train" else 6):
            dialogue, turn = divmod(number, 2)
            feels = ("joy", "positive") if turn else ("neutral", "neutral")
            rows.append([number, "It\x92s fine, \u201cyes\u201d" if turn else
                         "Hey.", "Joey", *feels, dialogue, turn, 4, 7,
                         "00:00:01,000", "00:00:02,000"])  # fmt: skip
            (place / clips / f"dia{dialogue}_utt{turn}.mp4").write_bytes(clip)
        (place / clips / "final_videos_testdia9_utt0.mp4").write_bytes(clip)
        table(place / f"{part}_sent_emo.csv", header, rows)
    (folder / "dev_splits_complete/dia1_utt1.mp4").unlink()
    (folder / "train/train_splits/dia0_utt1.mp4").write_bytes(clip[:500])


def hateful_memes(folder: Path) -> None:
    """Writes memes; one lacks its picture, one its label."""
    (folder / "img").mkdir(parents=True)
    numbers = iter(range(42000, 43000))
    for name, count in (("train", 12), ("dev_seen", 4), ("test", 4)):
        lines = []
        for place in range(count):
            number = next(numbers)
            path = f"img/{number:05}.png"
            Image.new("RGB", (60, 40), (place, 9, 9)).save(folder / path)
            meme = {"id": number, "img": path, "label": place % 2,
                    "text": "look how many people love you"}  # fmt: skip
            lines.append(meme)
        if name == "train":
            (folder / lines[5]["img"]).unlink()
        if name == "test":
            del lines[0]["label"]
        text = "\n".join(map(json.dumps, lines))
        (folder / f"{name}.jsonl").write_text(text + "\n")


def ptb_xl(folder: Path) -> None:
    """Writes twenty records of as many patients, each fold with two; one is
    not there, one has rhythm alone, and one patient is "300" years old."""
    import wfdb

    place = folder / "records100" / "00000"
    place.mkdir(parents=True)
    leads = "I II III AVR AVL AVF V1 V2 V3 V4 V5 V6".split()
    wave = np.sin(np.arange(1000) / 5)[:, None] * np.linspace(0.1, 1, 12)
    rows = []
    codes = ["{'NORM': 100.0, 'SR': 0.0}", "{'IMI': 35.0, 'LVH': 100.0}"]
    for number in range(1, 21):
        if number != 7:
            wfdb.wrsamp(
                f"{number:05}_lr", fs=100, units=["mV"] * 12, sig_name=leads,
                p_signal=wave, fmt=["16"] * 12, write_dir=str(place),
            )  # fmt: skip
        said = "{'SR': 0.0}" if number == 4 else codes[number % 2]
        rows.append(
            [number, float(1000 + number), 300.0 if number == 2 else 56.0,
             number % 2, "", 63.0, said, (number - 1) % 10 + 1,
             f"records100/00000/{number:05}_lr",
             f"records500/00000/{number:05}_hr"]
        )  # fmt: skip
    header = (
        "ecg_id patient_id age sex height weight scp_codes strat_fold "
        "filename_lr filename_hr"
    )
    table(folder / "ptbxl_database.csv", header.split(), rows)
    statements = [["NORM", "normal ECG", "1.0", "NORM"],
                  ["IMI", "inferior infarction", "1.0", "MI"],
                  ["LVH", "left hypertrophy", "1.0", "HYP"],
                  ["SR", "sinus rhythm", "", ""]]  # fmt: skip
    header = ["", "description", "diagnostic", "diagnostic_class"]
    table(folder / "scp_statements.csv", header, statements)
