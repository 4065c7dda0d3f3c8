"""An epoch's public files, opened and judged: docs/spec/sealed-files.md, envelope.md, leaves.md."""

import hashlib
import io

import cbor2
import pyarrow.parquet as parquet
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

import rejections as r
import sensing
from leaves import leaf_hash, merkle_root, sha256

WEATHER = 1
FIELDS = ["temperature_c", "humidity_pct", "wind_speed_ms", "wind_dir_deg", "pressure_hpa", "rain_mm", "irradiance_w_m2"]
ANCHOR_WINDOW = 26
LATE_MS = 7 * 86_400_000
MOVED_M = 1000
ED25519, P256 = 1, 2
ALGORITHMS = {ED25519: -8, P256: -7}

P = 2**255 - 19
# y of the points whose order divides 8, and the two that are another spelling of 0 and 1.
SMALL_ORDER_Y = {
    0,
    1,
    P - 1,
    P,
    P + 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


class Broken(Exception):
    """A public file that is not what it must be."""


class Batch:
    """A batch with its signature; rows are [(time, values)]."""

    def __init__(self, device, stream, first_seq, base, anchor, position, schema, rows, key_type, signature):
        self.device, self.stream, self.first_seq = device, stream, first_seq
        self.anchor, self.position, self.rows = anchor, position, rows
        self.key_type, self.signature = key_type, signature
        self.last_seq = first_seq + len(rows) - 1
        payload = cbor2.dumps(
            [
                1,
                device,
                stream,
                first_seq,
                base,
                list(anchor),
                None if position is None else list(position),
                schema,
                [[time - base, *values] for time, values in rows],
            ],
            canonical=True,
        )
        protected = cbor2.dumps({1: ALGORITHMS[key_type]}, canonical=True)
        self.signed = cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
        self.envelope = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]), canonical=True)
        self.leaf = leaf_hash(self.envelope)

    def order(self):
        return (self.stream, self.device, self.first_seq, self.leaf)


def is_small_order(point):
    return int.from_bytes(point, "little") & (2**255 - 1) in SMALL_ORDER_Y


def is_signed(batch, key):
    try:
        if batch.key_type == ED25519:
            if is_small_order(key) or is_small_order(batch.signature[:32]):
                return False
            ed25519.Ed25519PublicKey.from_public_bytes(key).verify(batch.signature, batch.signed)
        else:
            number = lambda part: int.from_bytes(part, "big")
            signature = utils.encode_dss_signature(number(batch.signature[:32]), number(batch.signature[32:]))
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            point.verify(signature, batch.signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def device_id(key_type, key):
    return sha256(b"cairn/device/v1", bytes([key_type]), key)[:16]


def open_commitment(commitment, epoch, fetch):
    """The batches of a commitment, after every bit of its files is checked. `fetch(digest)` gives a file's bytes."""
    name = lambda digest: "0x" + digest.hex()

    def checked(what, digest):
        content = fetch(digest)
        if content is None:
            raise Broken(f"{what} {name(digest)} is in no archive")
        if hashlib.sha256(content).digest() != digest:
            raise Broken(f"{what} {name(digest)} has the content {name(hashlib.sha256(content).digest())}")
        return content

    sidecar = checked("sidecar", commitment["digest"])
    header = cbor2.loads(sidecar)
    if cbor2.dumps(header, canonical=True) != sidecar or len(header) != 9:
        raise Broken("the sidecar is not in deterministic encoding")
    version, of_epoch, sector, digest, size, schemas, devices, anchors, headers = header
    if (version, of_epoch, sector) != (1, epoch, 1):
        raise Broken(f"the sidecar is of version {version}, epoch {of_epoch}, sector {sector}")
    readings = checked("readings file", digest)
    if len(readings) != size or len(sidecar) + size != commitment["size"]:
        raise Broken("the files have another size than committed")
    if len(headers) != commitment["count"]:
        raise Broken(f"{len(headers)} batches, {commitment['count']} are committed")
    rows = read_rows(readings, len(headers))
    batches = []
    for number, (device, stream, seq, base, anchor, position, schema, count, key_type, signature) in enumerate(headers):
        if schema != WEATHER or schema not in schemas:
            raise Broken(f"batch {number} has schema {schema}")
        found = rows[number]
        expected = [(devices[device], stream, seq + i) for i in range(count)]
        if [row[:3] for row in found] != expected:
            raise Broken(f"the rows of batch {number} are not those of its header")
        position = None if position is None else tuple(position)
        rows_of = [row[3:] for row in found]
        anchor = tuple(anchors[anchor])
        batches.append(
            Batch(devices[device], stream, seq, base, anchor, position, schema, rows_of, key_type, signature)
        )
    if any(a.order() >= b.order() for a, b in zip(batches, batches[1:])):
        raise Broken("the batches are not in order")
    root = merkle_root(batch.leaf for batch in batches)
    if root != commitment["root"]:
        raise Broken(f"the batches have the root {name(root)}, {name(commitment['root'])} is committed")
    return batches


def read_rows(content, batches):
    """Per batch: [(device, stream, seq, time, values)]."""
    # Without threads: a pool that is still starting when a difference ends the program aborts it ("terminate called").
    table = parquet.ParquetFile(io.BytesIO(content), pre_buffer=False).read(use_threads=False)
    columns = [table.column(name).to_pylist() for name in ["batch", "device", "stream", "seq", "time_ms", *FIELDS]]
    rows = [[] for _ in range(batches)]
    for batch, device, stream, seq, time, *values in zip(*columns):
        if batch >= batches:
            raise Broken(f"a row names batch {batch} of {batches}")
        rows[batch].append((bytes(device), stream, seq, time, values))
    return rows


class Cursor:
    """Sequence numbers in use: what the accepted batches of the last 26 epochs leave behind."""

    def __init__(self):
        self.seen = {}  # (device, stream) -> [(epoch, first, last, leaf)], in order of acceptance

    def record(self, epoch, device, stream, first, rows, leaf):
        self.seen.setdefault((device, stream), []).append((epoch, first, first + rows - 1, leaf))

    def judge(self, batch, epoch):
        seen = self.seen.get((batch.device, batch.stream), [])
        for of_epoch, first, last, leaf in reversed(seen):
            if last < batch.first_seq:
                break
            if leaf == batch.leaf:
                return r.DUPLICATE if of_epoch == epoch else r.REPLAYED
            if first <= batch.last_seq:
                return r.EQUIVOCATION
        if seen and seen[-1][2] >= batch.first_seq:
            return r.SEQUENCE_NOT_INCREASING
        return 0


def judge(batch, epoch, inputs, cursor):
    """The verdict on one batch, checks in the order of docs/spec/leaves.md."""
    device = inputs["devices"].get(batch.device)
    if device is None:
        return r.UNKNOWN_DEVICE
    if device["key_type"] != batch.key_type:
        return r.WRONG_KEY_TYPE
    if not is_signed(batch, device["key"]):
        return r.BAD_SIGNATURE
    if not is_active(device, epoch):
        return r.NOT_ACTIVE
    anchor, prefix = batch.anchor
    if anchor > epoch:
        return r.ANCHOR_FROM_FUTURE
    if anchor < max(0, epoch - ANCHOR_WINDOW):
        return r.ANCHOR_TOO_OLD
    if inputs["anchors"].get(anchor, b"")[:8] != prefix:
        return r.ANCHOR_UNKNOWN
    start = inputs["start_ms"] + epoch * inputs["epoch_ms"]
    if batch.rows[0][0] < max(0, start - LATE_MS):
        return r.BACK_DATED
    if batch.rows[-1][0] >= start + inputs["epoch_ms"]:
        return r.FUTURE_DATED
    if batch.position is not None:
        if not is_place(batch.position) or sensing.metres(batch.position, device["position"]) > MOVED_M:
            return r.MOVED
    return cursor.judge(batch, epoch)


def is_active(device, epoch):
    return device["registered"] <= epoch and (device["end"] is None or epoch < device["end"])


def is_place(position):
    lat, lon, elevation = position
    return abs(lat) <= 900_000_000 and abs(lon) <= 1_800_000_000 and -5_000 <= elevation <= 90_000


def judge_all(batches, epoch, inputs, cursor):
    """(batch, rejection) in judging order; the cursor moves past the accepted ones."""
    judged = []
    for batch in sorted(batches, key=Batch.order):
        rejection = judge(batch, epoch, inputs, cursor)
        if rejection == 0:
            cursor.record(epoch, batch.device, batch.stream, batch.first_seq, len(batch.rows), batch.leaf)
        judged.append((batch, rejection))
    return judged


def deliveries(accepted, epoch, inputs):
    """Per device: the readings measured in the epoch, and the last place reported."""
    start = inputs["start_ms"] + epoch * inputs["epoch_ms"]
    end = start + inputs["epoch_ms"]
    delivered = {}
    for batch in accepted:
        readings, reported = delivered.get(batch.device, ([], None))
        readings = readings + [(time, values) for time, values in batch.rows if start <= time < end]
        delivered[batch.device] = (readings, batch.position or reported)
    return delivered
