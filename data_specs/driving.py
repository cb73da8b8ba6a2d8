"""Builds driving: generated scenes seen by a camera, a lidar and GPS/IMU.

Nothing here is real: a car on a straight road, another road user ahead or
none, and three sensors that are computed from the scene by casting rays. The
files are those of real sensors: PNG, KITTI's .bin (x, y, z, intensity; x
ahead, y left, z up, from the sensor), and a table of the last two seconds.

No sensor tells all: the camera shows what is ahead, but half of the drives are
at night; the lidar shows how far it is, but a person and a rider look alike;
only GPS/IMU tells the speed, and with it how much time is left.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import builder
import numpy as np
from PIL import Image

DRIVES, FRAMES = 400, 3
HEIGHT, WIDTH = 32, 64
# Beams and directions of the lidar, metres it sees, and above the road.
BEAMS, TURNS, RANGE_M, ABOVE_M = 16, 120, 60.0, 1.7
STEPS, RATE_HZ = 20, 10
# Parts of a road user: offset of the middle (ahead, left, up) and half sizes
# in metres, colour, and how much light of the lidar comes back.
PARTS = {
    "car": [((0, 0, 0.75), (2.1, 0.9, 0.75), (170, 40, 40), 0.6)],
    "cyclist": [
        ((0, 0, 0.5), (0.85, 0.12, 0.5), (40, 40, 60), 0.3),
        ((0, 0, 1.35), (0.2, 0.25, 0.4), (60, 150, 70), 0.4),
    ],
    "pedestrian": [((0, 0, 0.87), (0.2, 0.28, 0.87), (70, 90, 170), 0.4)],
}
CLASSES = ("nothing", *PARTS)
ROAD, GRASS = (96, 96, 100), (88, 120, 70)


@dataclass(frozen=True)
class Scene:
    """What is there in one moment.

    Args:
        what: One of `CLASSES`.
        distance_m: From the sensor to its middle.
        left_m: How far left of the middle of the road.
        speed_m_s: Of the car with the sensors.
        night: Whether it is dark.
    """

    what: str
    distance_m: float
    left_m: float
    speed_m_s: float
    night: bool

    def boxes(self) -> list[tuple]:
        """Returns lows and highs of its parts, with colour and reflection."""
        found = []
        for middle, half, colour, back in PARTS.get(self.what, ()):
            centre = np.array([self.distance_m, self.left_m, -ABOVE_M])
            centre = centre + middle
            found.append((centre - half, centre + half, colour, back))
        return found


def cast(scene: Scene, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far each ray goes, and what it meets.

    Args:
        scene: The scene; rays begin at the sensor.
        directions: `(rays, 3)`, of length 1.

    Returns:
        Metres, infinite in the sky; and the index of a part, -1 for the
        ground.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        down = -ABOVE_M / directions[:, 2]
        far = np.where(down > 0, down, np.inf)
        met = np.full(len(far), -1)
        for index, (low, high, *_) in enumerate(scene.boxes()):
            ends = np.sort([low / directions, high / directions], axis=0)
            first, last = ends[0].max(axis=1), ends[1].min(axis=1)
            hit = (first <= last) & (first > 0) & (first < far)
            far[hit], met[hit] = first[hit], index
    return far, met


def rays(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Returns directions for every pair of two angles in degrees."""
    up, left = np.radians(np.meshgrid(up, left, indexing="ij"))
    ahead = [np.cos(up) * np.cos(left), np.cos(up) * np.sin(left), np.sin(up)]
    return np.stack(ahead, axis=-1).reshape(-1, 3)


def photograph(scene: Scene, draw: np.random.Generator) -> np.ndarray:
    """Returns `(HEIGHT, WIDTH, 3)` uint8; at night dark and noisy."""
    looks = rays(np.linspace(8, -14, HEIGHT), np.linspace(22, -22, WIDTH))
    far, met = cast(scene, looks)
    places = looks * np.where(np.isfinite(far), far, 0)[:, None]
    colours = np.array([c for *_, c, _ in scene.boxes()] or [ROAD], float)
    ground = np.where(np.abs(places[:, 1:2]) < 4, ROAD, GRASS)
    pixels = np.where(met[:, None] >= 0, colours[np.maximum(met, 0)], ground)
    pixels[~np.isfinite(far)] = (150, 180, 215)
    light, noise = (0.12, 14) if scene.night else (draw.uniform(0.7, 1), 6)
    pixels = pixels * light + draw.normal(0, noise, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


def scan(scene: Scene, draw: np.random.Generator) -> np.ndarray:
    """Returns `(points, 4)` float32 as KITTI's scanner writes them."""
    looks = rays(np.linspace(2, -22, BEAMS), np.linspace(45, -45, TURNS))
    far, met = cast(scene, looks)
    back = np.array([b for *_, b in scene.boxes()] or [0.0])
    light = np.where(met >= 0, back[np.maximum(met, 0)], 0.15)
    # A tenth does not come back, and 2 centimetres are noise.
    seen = (far < RANGE_M) & (draw.random(len(far)) > 0.1)
    places = looks * (far + draw.normal(0, 0.02, len(far)))[:, None]
    light = np.clip(light + draw.normal(0, 0.03, len(light)), 0, 1)
    return np.c_[places, light][seen].astype("<f4")


def motion(scene: Scene, draw: np.random.Generator) -> list[dict]:
    """Returns the last two seconds of GPS and IMU, a row a step."""
    push = draw.normal(0, 0.4)
    ago = np.arange(STEPS - 1, -1, -1) / RATE_HZ
    speed = scene.speed_m_s - push * ago + draw.normal(0, 0.2, STEPS)
    return [
        {
            "time_sec": f"{index / RATE_HZ:.1f}",
            "speed_m_s": f"{speed[index]:.3f}",
            "acceleration_m_s2": f"{push + draw.normal(0, 0.15):.3f}",
            "yaw_rate_deg_s": f"{draw.normal(0, 0.5):.3f}",
        }
        for index in range(STEPS)
    ]


def scenes(draw: np.random.Generator) -> list[Scene]:
    """Returns the moments of one drive: what is ahead comes nearer."""
    what = CLASSES[draw.integers(len(CLASSES))]
    speed, distance = draw.uniform(4, 16), draw.uniform(22, 45)
    left, night = draw.uniform(-1.2, 1.2), bool(draw.random() < 0.5)
    return [
        Scene(what, distance - speed * 0.5 * turn, left, speed, night)
        for turn in range(FRAMES)
    ]


def build(source: None, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    for name in ("camera", "lidar", "motion"):
        (folder / name).mkdir()
    rows = []
    for drive in range(DRIVES):
        draw = np.random.default_rng([0, drive])
        for turn, scene in enumerate(scenes(draw)):
            rows.append(_write(folder, f"{drive:04}_{turn}", scene, draw))
            rows[-1]["drive"] = f"{drive:04}"
    return builder.write_manifest(folder, rows)


def _write(folder: Path, name: str, scene: Scene, draw) -> dict:
    Image.fromarray(photograph(scene, draw)).save(folder / f"camera/{name}.png")
    (folder / f"lidar/{name}.bin").write_bytes(scan(scene, draw).tobytes())
    table = motion(scene, draw)
    path = folder / f"motion/{name}.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    left = scene.distance_m / scene.speed_m_s
    row = {
        "id": name,
        "camera": f"camera/{name}.png",
        "lidar": f"lidar/{name}.bin",
        "motion": f"motion/{name}.csv",
        "ahead": scene.what,
        # Nothing ahead: there is no time to be told.
        "time_left_sec": "" if scene.what == "nothing" else f"{left:.3f}",
        "light": "night" if scene.night else "day",
    }
    # One sample in twelve lacks a sensor.
    if draw.random() < 1 / 12:
        row[("camera", "lidar", "motion")[draw.integers(3)]] = ""
    return row


BUILDER = builder.Builder(
    name="driving",
    source=None,
    home="nowhere: the scenes are generated",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))
