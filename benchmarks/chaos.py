"""Whether a batch survives: ``python benchmarks/chaos.py [--files 2000] [--hostile 200]``.

An export with hostile files (truncated, bombs, endless sequences, wrong lengths, fuzzed headers,
circles of links, films that crash the reader) is read twice: undisturbed, and killed with SIGKILL
five times at random moments and resumed. Prints whether every file got its one outcome and both
runs wrote the same. The reader of films is the one of the tests, which is quick.
"""

import argparse
import csv
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

from pydicom import uid
from scan import dicom

FAKE = Path(__file__).resolve().parents[1] / "tests" / "infer" / "batch_fake_reader.py"
KILLS = 5
SCRIPT = (
    "import sys; from pathlib import Path;"
    "from endplate.infer.batch.options import BatchOptions;"
    "from endplate.infer.batch.run import run_batch;"
    "r = run_batch(BatchOptions(Path(sys.argv[1]), sys.argv[2], workers=2, resume=True,"
    " overlays=False, reader='batch_fake_reader:make')); sys.exit(r.exit_status)"
)


def film(number: int) -> bytearray:
    """A small good film; its pixels are noise of its own."""
    data = bytearray(dicom("DX", number, uid.DigitalXRayImageStorageForPresentation, 20))
    data[-8192:] = random.Random(number).randbytes(8192)
    return data


def hostile(number: int, chance: random.Random) -> bytes:
    """A film made bad in one of several ways."""
    data = film(number)
    way = number % 6
    if way == 0:
        return bytes(data[: chance.randrange(200, len(data) - 100)])
    if way == 1:  # sequences that never end
        opened = struct.pack(
            "<HH2sHIHHI", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF
        )
        return bytes(data[:400]) + opened * 20_000
    if way == 2:  # a length far beyond the file
        at = data.index(b"\xe0\x7f\x10\x00OW") + 8
        data[at : at + 4] = struct.pack("<I", chance.randrange(1 << 20, 0xFFFFFFF0))
        return bytes(data)
    if way == 3:  # more rows than pixels
        at = data.index(b"\x28\x00\x10\x00US") + 8
        data[at : at + 2] = struct.pack("<H", 60_000)
        return bytes(data)
    if way == 4:  # a data set that inflates to gigabytes
        meta = bytes(data[:132]) + b"\x02\x00\x10\x00UI\x16\x00" + b"1.2.840.10008.1.2.1.99"
        packer = zlib.compressobj(9, wbits=-15)
        head = packer.compress(bytes(data[400:800])) + packer.flush(zlib.Z_FULL_FLUSH)
        block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
        return meta + head + block * 1500
    for _ in range(200):  # fuzz
        data[chance.randrange(132, 1200)] = chance.randrange(256)
    return bytes(data)


def make_export(root: Path, files: int, bad: int) -> set[str]:
    """Write the export; the paths of the good films."""
    chance = random.Random(1)
    places = set(chance.sample(range(files), bad))
    good = set()
    for number in range(files):
        folder = root / f"{number // 100:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"I{number:05d}"
        if number not in places:
            path.write_bytes(film(number))
            good.add(str(path.relative_to(root)))
        elif number % 7 == 0:
            path.symlink_to("..")  # a circle
        else:
            path.write_bytes(hostile(number, chance))
    return good


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def readings(output: Path) -> dict[str, str]:
    """All readings without the time of their run."""
    found = {}
    for path in (output / "readings").rglob("*.json"):
        values = json.loads(path.read_text())
        del values["created"]
        found[path.name] = json.dumps(values)
    return found


def main() -> None:
    """Print the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--hostile", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        good = make_export(base / "export", options.files, options.hostile)
        (base / "modules").mkdir()
        shutil.copy(FAKE, base / "modules")
        environment = {**os.environ, "PYTHONPATH": str(base / "modules")}

        def command(output: str) -> list[str]:
            return [sys.executable, "-P", "-c", SCRIPT, str(base / "export"), str(base / output)]

        begun = time.perf_counter()
        subprocess.run(command("calm"), env=environment, check=False, stderr=subprocess.DEVNULL)
        calm = time.perf_counter() - begun
        chance = random.Random(2)
        for _ in range(KILLS):
            process = subprocess.Popen(command("chaos"), env=environment, stderr=subprocess.DEVNULL)
            try:
                process.wait(chance.uniform(0.05, 0.3) * calm)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        last = subprocess.run(
            command("chaos"), env=environment, check=False, capture_output=True, text=True
        )
        if last.returncode not in (0, 1):
            raise SystemExit(last.stderr)
        outputs = base / "calm", base / "chaos"
        same = all(
            (outputs[0] / n).read_bytes() == (outputs[1] / n).read_bytes()
            for n in ("films.csv", "measurements.csv", "rejects.csv")
        )
        measured = Counter(row["path"] for row in table(outputs[1] / "films.csv"))
        rejected = Counter(row["path"] for row in table(outputs[1] / "rejects.csv"))
        print(f"{options.files} files, {options.hostile} hostile, {KILLS} kills, {calm:.0f} s calm")
        print("same tables:", same)
        for name in ("films.csv", "measurements.csv", "rejects.csv"):
            calm_lines, other = ((o / name).read_text().splitlines() for o in outputs)
            for line in sorted({*calm_lines} ^ {*other})[:6]:
                print(f"  {name} of {'calm' if line in calm_lines else 'chaos'} alone: {line}")
        print("same readings:", readings(outputs[0]) == readings(outputs[1]))
        print("every good film measured once:", all(measured[path] == 1 for path in good))
        print("every file has one outcome:", sum((measured + rejected).values()) == options.files)
        print("rejects:", dict(Counter(row["code"] for row in table(outputs[1] / "rejects.csv"))))


if __name__ == "__main__":
    main()
