"""Where public files come from: the archives in a network's folder, or the validators' HTTP servers."""

import hashlib
import json
import pathlib
import urllib.error
import urllib.request


class Folder:
    """Every archive below a folder; a file of any of them will do."""

    def __init__(self, folder):
        root = pathlib.Path(folder)
        depths = ("archive", "*/archive", "*/*/archive", "*/*/*/archive")
        found = [root] + [path for depth in depths for path in sorted(root.glob(depth))]
        self.archives = [path for path in found if (path / "files").is_dir() and (path / "epochs").is_dir()]
        if not self.archives:
            raise FileNotFoundError(f"{folder} holds no archive")

    def file(self, digest):
        return self.first(f"files/{digest.hex()}")

    def epoch_file(self, epoch, name):
        return self.first(f"epochs/{epoch}/{name}")

    def first(self, path):
        for archive in self.archives:
            if (archive / path).is_file():
                return (archive / path).read_bytes()
        return None

    def changed(self):
        """The first batch file of any archive whose content is not its name, and its content's hash; else None."""
        for archive in self.archives:
            for path in sorted((archive / "files").iterdir()):
                if len(path.name) == 64 and (found := hashlib.sha256(path.read_bytes()).hexdigest()) != path.name:
                    return str(path), found
        return None

    def copies(self, path):
        """The file in every archive that has it."""
        return [(str(a / path), (a / path).read_bytes()) for a in self.archives if (a / path).is_file()]


class Http:
    """Archives over HTTP."""

    def __init__(self, bases):
        self.bases = [base.rstrip("/") for base in bases]

    def file(self, digest):
        return self.first(f"/v1/files/0x{digest.hex()}")

    def epoch_file(self, epoch, name):
        return self.first(f"/v1/epochs/{epoch}/{name}")

    def first(self, path):
        for base in self.bases:
            try:
                with urllib.request.urlopen(base + path, timeout=60) as response:
                    return response.read()
            except (urllib.error.URLError, TimeoutError):
                continue
        return None

    def changed(self):
        return None

    def copies(self, path):
        return []


def hexed(text):
    return bytes.fromhex(text.removeprefix("0x"))


def read_inputs(content):
    """`inputs.json` with bytes for hex and devices by id."""
    raw = json.loads(content)
    device = lambda d: {
        "id": hexed(d["id"]),
        "owner": hexed(d["owner"]),
        "key_type": d["key_type"],
        "key": hexed(d["key"]),
        "index": d["index"],
        "registered": d["registered"],
        "end": d["end"],
        "position": (d["position"]["lat_e7"], d["position"]["lon_e7"], d["position"]["elevation_dm"]),
        "cell": d["cell"],
    }
    commitment = lambda c: {
        "ingest": hexed(c["ingest"]),
        "root": hexed(c["root"]),
        "digest": hexed(c["digest"]),
        "count": c["count"],
        "size": c["size"],
        "included": c["included"],
    }
    return {
        "version": raw["version"],
        "epoch": raw["epoch"],
        "genesis": hexed(raw["genesis"]),
        "start_ms": raw["schedule"]["start"],
        "epoch_ms": raw["schedule"]["epoch_ms"],
        "economy": raw["economy"],
        "pool": raw["pool"],
        "earned": [(hexed(line["device"]), line["paid"]) for line in raw["earned"]],
        "anchors": {anchor["epoch"]: hexed(anchor["root"]) for anchor in raw["anchors"]},
        "devices": {hexed(d["id"]): device(d) for d in raw["devices"]},
        "commitments": [commitment(c) for c in raw["commitments"]],
    }


def read_result(content):
    raw = json.loads(content)
    roots = {name: hexed(raw[name]) for name in ("verdict_root", "score_root", "reward_root")}
    return roots | {name: raw[name] for name in ("devices", "earned_stones", "subsidy_stones", "usage", "need")}


def read_leaves(content):
    """The canonical bytes of a leaf file's lines."""
    return [bytes.fromhex(json.loads(line)["bytes"]) for line in content.splitlines() if line]
