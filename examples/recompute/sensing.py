"""The score of an epoch, written from docs/spec/sensing.md alone. Integers only; // rounds towards minus infinity."""

from math import isqrt

from rejections import (
    COPIED_FEED,
    FROZEN,
    INDOOR,
    JUMP,
    NEIGHBOUR_OFFSET,
    OUT_OF_BOUNDS,
    SILENT,
    TIME_SHIFTED,
)

FIELDS = 7
TEMPERATURE, HUMIDITY, WIND, PRESSURE, RAIN, IRRADIANCE = 0, 1, 2, 4, 5, 6
BOUNDS = [(-9000, 6000), (0, 10000), (0, 11500), (0, 360), (50000, 110000), (0, 40000), (0, 16000)]
TRACKS = [TEMPERATURE, HUMIDITY, WIND, PRESSURE]
T, H, W, P = range(4)
AGES = 48
NO_FIELD = 255

DEW = 4
# Section 6: track, base, per km, its max, per km beyond 40, per 1000 dm, scale.
LEVELS = [
    (T, 100, 7, 100, 5, 50, 200),
    (H, 1500, 100, 1500, 20, 500, 2000),
    (P, 300, 5, 100, 3, 1300, 400),
    (DEW, 100, 4, 50, 5, 50, None),
]
LEVEL_T, LEVEL_DEW = 0, 3
COPY_STEPS = [(8, 500), (6, 350), (4, 100)]
COPY_REFERENCE = {T: 11, H: 110, W: 22, P: 22}
SHAPE_SCALE = {T: 100, H: 800, P: 30}
SHIFT_STEPS = [(8, 6, 4, 2200), (12, 8, 6, 1700), (24, 16, 8, 1250), (48, 32, 12, 800)]
# Section 7: samples, then the range of a neighbour by track T, H, W, P; the longest run first.
FROZEN_STEPS = [(12, (120, 800, 300, 100)), (6, (150, 1000, 400, 120)), (4, (200, 1500, 400, 200))]
N_UNPROVEN = 200


def sign(n):
    return (n > 0) - (n < 0)


def lower_median(values):
    values = sorted(values)
    return values[(len(values) - 1) // 2]


def clamp(value, low, high):
    return max(low, min(high, value))


# Section 2.


def fold(angle):
    if angle > 900_000_000:
        return 1_800_000_000 - angle
    if angle < -900_000_000:
        return -1_800_000_000 - angle
    return angle


def sin(angle):
    x = fold(angle) * 3_454_217_652_358 // 1_800_000_000
    s = (x * x) >> 40
    term = total = x
    for n in range(1, 12):
        term = (-((term * s) >> 40)) // (2 * n * (2 * n + 1))
        total += term
    return total


def cos(angle):
    return sin(900_000_000 - abs(angle))


def unit_vector(position):
    lat, lon, _ = position
    c = cos(lat)
    return ((c * cos(lon)) >> 50, (c * sin(lon)) >> 50, sin(lat) >> 10)


def squared_chord(a, b):
    return sum((i - j) ** 2 for i, j in zip(a, b))


def metres(a, b):
    return isqrt((squared_chord(unit_vector(a), unit_vector(b)) * 6_371_009**2) >> 60)


# Section 1.


def possible(field, value):
    low, high = BOUNDS[field]
    return value is not None and low <= value <= high


def sample_of(readings):
    """One sample of readings [(time, values)]; None when there are none."""
    if not readings:
        return None
    sample = []
    for field in range(FIELDS):
        values = [values[field] for _, values in readings if possible(field, values[field])]
        if not values:
            sample.append(None)
        elif field == RAIN:
            sample.append(min(sum(values), 2**31 - 1))
        else:
            sample.append(lower_median(values))
    return sample


def log2_q16(x):
    h = x.bit_length() - 1
    f = ((x - (1 << h)) << 16) >> h
    b = (f * (65_536 - f)) >> 16
    return (h << 16) + f + ((b * 22_558) >> 16)


def dew_point(temperature, humidity):
    y = log2_q16(max(humidity, 100)) - log2_q16(10_000)
    y += 1_665_945 * temperature // (24_312 + temperature)
    return 24_312 * y // (1_665_945 - y)


class Device:
    """A registered, active device with what it delivered, and its state during scoring."""

    def __init__(self, id, owner, position, index, expected, reported, readings, history):
        self.id, self.owner, self.position, self.index = id, owner, position, index
        self.expected, self.reported, self.readings = expected, reported, readings
        self.history = history  # {epoch: sample}, of earlier epochs
        self.gate = None  # (rejection, detail)
        self.others, self.any = [], []

    def prepare(self, epoch):
        self.sample = sample_of(self.readings)
        samples = dict(self.history)
        if self.sample is not None:
            samples[epoch] = self.sample
        self.samples = [samples.get(epoch - age) for age in range(AGES)]
        self.tracks = [
            [None if sample is None else sample[field] for sample in self.samples] for field in TRACKS
        ]
        known = [t is not None and h is not None for t, h in zip(self.tracks[T], self.tracks[H])]
        dew = [dew_point(self.tracks[T][a], self.tracks[H][a]) if known[a] and a < 24 else None for a in range(AGES)]
        self.tracks.append(dew)
        self.pace = {track: pace(self.tracks[track], scale) for track, scale in SHAPE_SCALE.items()}
        self.vector = unit_vector(self.position)

    def run(self, track):
        """The run of section 3: ages with the value of age 0."""
        values = self.tracks[track]
        ages = []
        if values[0] is None:
            return ages
        for age, value in enumerate(values):
            if value is None:
                continue
            if value != values[0]:
                break
            ages.append(age)
        return ages


# Section 3.


def own_gate(device, epoch):
    if not device.readings:
        return SILENT, (NO_FIELD, 0, device.expected, None)
    key = lambda reading: (reading[0], [(v is not None, v or 0) for v in reading[1]])
    for _, values in sorted(device.readings, key=key):
        for field, value in enumerate(values):
            if value is not None and not possible(field, value):
                low, high = BOUNDS[field]
                return OUT_OF_BOUNDS, (field, value, low if value < low else high, None)
    before = device.history.get(epoch - 1)
    for field in (TEMPERATURE, PRESSURE):
        if before is None or before[field] is None or device.sample[field] is None:
            continue
        change = device.sample[field] - before[field]
        if abs(change) > 1500:
            return JUMP, (field, change, 1500, None)
    runs = [len(device.run(track)) for track in range(4)]
    runs = [length for length in runs if length > 0]
    if len(runs) >= 3 and min(runs) >= 4:
        return FROZEN, (NO_FIELD, min(runs), 4, None)
    return None


# Section 4.


class Index:
    def __init__(self, devices):
        self.levels = []
        for bits in (18, 20, 22, 24):
            cubes = {}
            for device in devices:
                cubes.setdefault(tuple(c >> bits for c in device.vector), []).append(device)
            shown = {
                cube: sorted(inside, key=lambda d: (d.index, d.number))[:64] for cube, inside in cubes.items()
            }
            self.levels.append((bits, shown))

    def near(self, device):
        """`any` and `others` of a device."""
        around = (-1, 0, 1)
        for bits, cubes in self.levels:
            x, y, z = (c >> bits for c in device.vector)
            candidates = []
            for dx in around:
                for dy in around:
                    for dz in around:
                        for other in cubes.get((x + dx, y + dy, z + dz), []):
                            q = squared_chord(device.vector, other.vector)
                            if other is not device and q <= 4**bits:
                                candidates.append((q, other.number, other))
            candidates = [other for _, _, other in sorted(candidates, key=lambda c: c[:2])]
            any_ = candidates[:8]
            others, owners = [], {device.owner}
            for other in candidates:
                if len(others) < 8 and other.owner not in owners:
                    owners.add(other.owner)
                    others.append(other)
            if len(any_) == 8 and len(others) == 8:
                break
        return any_, others


# Section 5.


def alike(a, b):
    """(mean, limit) of the first step that holds, or None."""
    tracks = []
    for track, reference in COPY_REFERENCE.items():
        total = n = 0
        for age in range(24):
            mine, theirs = a.tracks[track][age], b.tracks[track][age]
            if mine is None or theirs is None:
                continue
            if track == H and mine >= 9900 and theirs >= 9900:
                continue
            if track == W and mine <= 50 and theirs <= 50:
                continue
            n += 1
            total += abs(mine - theirs)
        tracks.append((n, total, reference))
    for needed, limit in COPY_STEPS:
        ratios = [total * 1000 // (n * reference) for n, total, reference in tracks if n >= needed]
        if len(ratios) >= 3 and max(ratios) <= 1000 and sum(ratios) // len(ratios) <= limit:
            return sum(ratios) // len(ratios), limit
    return None


def copied_feeds(devices):
    copies = {}
    for device in devices:
        for other in device.any:
            found = alike(device, other)
            if found is None:
                continue
            mean, limit = found
            first, second = sorted((device, other), key=lambda d: (d.index, d.id))
            naming = ((first.index, first.id), mean, limit)
            if second.number not in copies or naming < copies[second.number][1]:
                copies[second.number] = (second, naming)
    for device, ((_, id), mean, limit) in copies.values():
        device.gate = (COPIED_FEED, (NO_FIELD, mean, limit, id))
    return bool(copies)


# Section 6.


def tolerance(device, other, level):
    _, base, per_km, per_km_max, beyond, per_rise, _ = LEVELS[level]
    km = metres(device.position, other.position) // 1000
    rise = abs(device.position[2] - other.position[2])
    return base + min(per_km * km, per_km_max) + beyond * max(0, km - 40) + per_rise * rise // 1000


def excess(device, neighbours, age, level):
    """(excess, MAD, n) at one age and level."""
    track = LEVELS[level][0]
    own = device.tracks[track][age]
    pairs, differences = [], []
    for other in neighbours:
        theirs = other.tracks[track][age]
        if own is None or theirs is None:
            continue
        rise = device.position[2] - other.position[2]
        expected = (-65 * rise) // 1000 if level == LEVEL_T else 0
        d = own - theirs - expected
        limit = tolerance(device, other, level)
        pairs.append((sign(d) * max(0, abs(d) - limit), 1_000_000_000 // limit**2))
        differences.append(d)
    n = len(pairs)
    if n == 0:
        return 0, 0, 0
    pairs.sort()
    half = lambda p, m: p if p > 0 else min(m, 0)
    by_number = half(pairs[(n - 1) // 2][0], pairs[n // 2][0])
    total = sum(weight for _, weight in pairs)

    def weighted(ordered):
        running = 0
        for b, weight in ordered:
            running += weight
            if 2 * running > total:
                return b
        return 0

    by_weight = half(weighted(reversed(pairs)), weighted(pairs))
    if sign(by_number) == sign(by_weight):
        result = sign(by_number) * min(abs(by_number), abs(by_weight))
    else:
        result = 0
    middle = lower_median(differences)
    return result, lower_median([abs(d - middle) for d in differences]), n


def beyond(value, limit):
    return sign(value) * max(0, abs(value) - limit)


def heat(device, neighbours, age):
    """(heat, MAD of temperature, n) at one age."""
    warm, mad, n = excess(device, neighbours, age, LEVEL_T)
    moist, _, with_dew = excess(device, neighbours, age, LEVEL_DEW)
    if with_dew == 0:
        both = beyond(warm, 50)
    else:
        both = sign(warm) * min(abs(warm), abs(moist)) if sign(warm) == sign(moist) else 0
    alone = beyond(moist, 300)
    return alone if abs(alone) > abs(both) else both, mad, n


def variance(differences, scale, needed):
    n = len(differences)
    if n < needed or n == 0:
        return None
    square = n * sum(d * d for d in differences) - sum(differences) ** 2
    return square * 1000 // (n * n * scale**2)


def pace(values, scale):
    pairs = [(values[age], values[age + 2]) for age in range(24)]
    return variance([a - b for a, b in pairs if a is not None and b is not None], scale, 3)


def shape_cost(device, other, track, lag, window, needed):
    differences = []
    for x in range(window - abs(lag)):
        mine, theirs = (x, x + lag) if lag >= 0 else (x - lag, x)
        a, b = device.tracks[track][mine], other.tracks[track][theirs]
        if a is not None and b is not None:
            differences.append(a - b)
    return variance(differences, SHAPE_SCALE[track], needed)


def logarithm(x):
    h = x.bit_length() - 1
    return 1000 * h + (((x - (1 << h)) * 1000) >> h)


def nearness(device, other):
    k = (1_000_000_000 // tolerance(device, other, LEVEL_T) ** 2) // 100
    return k * k + 1


def in_favour(gains):
    """The first gain, from the largest down, at which half of the weight is reached."""
    running = 0
    for gain, weight in sorted(gains, reverse=True):
        running += weight
        if 2 * running >= sum(w for _, w in gains):
            return gain


def follow(device, neighbours):
    """(total, worst), or None."""
    totals, by_track = [], {track: [] for track in SHAPE_SCALE}
    for other in neighbours:
        gains = []
        for track in SHAPE_SCALE:
            cost = shape_cost(device, other, track, 0, 24, 3)
            if cost is None or other.pace[track] is None:
                continue
            gain = logarithm(other.pace[track] + 100) - logarithm(cost + 100)
            by_track[track].append((gain, nearness(device, other)))
            gains.append(gain)
        if len(gains) >= 2:
            totals.append((sum(gains), nearness(device, other)))
    if not totals:
        return None
    return in_favour(totals), min(in_favour(gains) for gains in by_track.values() if gains)


# Section 7.


def frozen_field(device, neighbours, least):
    for track in range(4):
        run = device.run(track)
        step = next((step for step in FROZEN_STEPS if len(run) >= step[0]), None)
        if step is None:
            continue
        needed, limits = step
        ranges = []
        for other in neighbours:
            values = [other.tracks[track][age] for age in run if other.tracks[track][age] is not None]
            if len(values) >= needed:
                ranges.append(max(values) - min(values))
        limit = limits[track]
        if len(ranges) >= least and 2 * sum(r >= limit for r in ranges) > len(ranges):
            return FROZEN, (TRACKS[track], len(run), limit, None)
    return None


def time_shifted(device, neighbours, least):
    followed = follow(device, neighbours)
    if followed is None or followed[0] >= 1500:
        return None
    for window, needed, overlap, gain_needed in SHIFT_STEPS:
        comparable = []
        for other in neighbours:
            zero = {t: shape_cost(device, other, t, 0, window, needed) for t in SHAPE_SCALE}
            zero = {t: cost for t, cost in zero.items() if cost is not None}
            if len(zero) >= 2:
                comparable.append((other, zero, nearness(device, other)))
        if not comparable or len(comparable) < least:
            continue
        best = None
        for lag in (s * n for n in range(1, 13) for s in (1, -1)):
            top = bottom = votes = 0
            for other, zero, weight in comparable:
                g = f = 0
                for track, cost in zero.items():
                    moved = shape_cost(device, other, track, lag, window, overlap)
                    if moved is not None:
                        g += logarithm(cost + 100) - logarithm(moved + 100)
                        f += 1
                if f < 2:
                    continue
                top += weight * g
                bottom += weight * f
                votes += g >= 300 * f
            if bottom > 0 and (best is None or top // bottom > best[0]):
                best = (top // bottom, lag, votes)
        if best is None:
            continue
        gain, lag, votes = best
        if abs(lag) >= 2 and gain >= gain_needed and 2 * votes > len(comparable):
            return TIME_SHIFTED, (NO_FIELD, lag, 2, None)
    return None


def neighbour_offset(device, neighbours, least):
    if len(neighbours) < least:
        return None
    found = []
    for age in range(24):
        if device.tracks[T][age] is None:
            continue
        value, _, n = heat(device, neighbours, age)
        if n >= least:
            found.append((age, value))
    long = len(found) >= 18
    window, needed, share = (24, 18, 600) if long else (8, 6, 750)
    values = [value for age, value in found if age < window]
    if not values or len(values) < needed:
        return None
    c = max(sum(v > 0 for v in values), sum(v < 0 for v in values))
    if c * 1000 >= share * len(values):
        return NEIGHBOUR_OFFSET, (TEMPERATURE, lower_median(values), 1, None)
    return None


def gate_by(device, neighbours, least):
    return (
        frozen_field(device, neighbours, least)
        or time_shifted(device, neighbours, least)
        or neighbour_offset(device, neighbours, least)
    )


def gates_by_neighbours(devices):
    first = {d.number: gate_by(d, d.others, 2) if len(d.others) >= 2 else None for d in devices}
    second = {}
    for device in devices:
        trusted = [other for other in device.others if first.get(other.number) is None and not other.gate]
        if len(trusted) >= 2:
            second[device.number] = gate_by(device, trusted, 2)
        elif first[device.number] is not None:
            witnesses = trusted or device.others
            if all(gate_by(device, [witness], 1) for witness in witnesses):
                second[device.number] = first[device.number]
    for device in devices:
        device.gate = second.get(device.number)


# Section 8.


def clear_sky(time, position):
    lat, lon, _ = position
    y = ((time - 953_537_700_000) % 31_556_925_216) * 3_600_000_000 // 31_556_925_216
    if y > 1_800_000_000:
        y -= 3_600_000_000
    sd = (sin(234_393_000) * sin(y)) >> 40
    cd = isqrt(2**80 - sd * sd)
    h = ((time % 86_400_000) * 3_600_000_000 // 86_400_000 + lon - 1_800_000_000) % 3_600_000_000
    if h > 1_800_000_000:
        h -= 3_600_000_000
    s = (sin(lat) * sd + ((cos(lat) * cd) >> 40) * cos(h)) >> 40
    return (10_500 * max(s, 0)) >> 40


def factor_neighbour(device, neighbours):
    if device.sample is None:
        return 0
    worst, most = 1000, 0
    for level, (track, *_, scale) in enumerate(LEVELS[:LEVEL_DEW]):
        if device.tracks[track][0] is None:
            continue
        compare = heat if level == LEVEL_T else lambda *args: excess(*args, level)
        value, mad, n = compare(device, neighbours, 0)
        s = scale + (1483 * mad // 1000 if n > 2 else 0)
        worst = min(worst, max(0, 1000 - abs(value) * 1000 // s))
        most = max(most, n)
    if most == 0:
        return 700
    if most == 1:
        return clamp(worst, 700, 850)
    return min(worst, proven(follow(device, neighbours)))


def proven(followed):
    if followed is None:
        return N_UNPROVEN
    between = lambda low, high, gain: clamp(
        N_UNPROVEN + (gain - low) * (1000 - N_UNPROVEN) // (high - low), N_UNPROVEN, 1000
    )
    total, worst = followed
    return min(between(500, 2000, total), between(-1500, 0, worst))


def is_sheltered(device, neighbours):
    def spread(tracked):
        values = [value for value in tracked.tracks[T][:24] if value is not None]
        return max(values) - min(values) if len(values) >= 18 else None

    own = spread(device)
    if own is None:
        return False
    theirs = [r for r in map(spread, neighbours) if r is not None]
    return len(theirs) >= 2 and 2 * sum(r > 2 * own for r in theirs) > len(theirs)


def factor_deployment(device, neighbours, epoch, start_ms, epoch_ms):
    """(D, r); r is None when it was dark."""
    seen = light = 0
    for age, sample in enumerate(device.samples):
        if sample is not None and sample[IRRADIANCE] is not None:
            seen += sample[IRRADIANCE]
            middle = start_ms + (epoch - age) * epoch_ms + epoch_ms // 2
            light += clear_sky(middle, device.position)
    if light < 20_000:
        return 1000, None
    r = seen * 1000 // light
    d = clamp((r - 40) * 1000 // 60, 0, 1000)
    if d < 1000 and is_sheltered(device, neighbours):
        d = 0
    return d, r


def score_epoch(epoch, start_ms, epoch_ms, devices):
    """Leaves as tuples (id, A, N, D, L, score, rejection, detail), sorted by id. `start_ms` is that of epoch 0."""
    devices = sorted(devices, key=lambda d: d.id)
    for number, device in enumerate(devices):
        device.number = number
        device.prepare(epoch)
        device.gate = own_gate(device, epoch)
    indexed = [device for device in devices if device.gate is None]
    index = Index(indexed)
    for device in indexed:
        device.any, device.others = index.near(device)
    if copied_feeds(indexed):
        indexed = [device for device in indexed if device.gate is None]
        index = Index(indexed)
        for device in indexed:
            _, device.others = index.near(device)
    gates_by_neighbours(indexed)
    leaves = []
    for device in devices:
        neighbours = [other for other in device.others if other.gate is None]
        measured = sum(any(v is not None for v in values) for _, values in device.readings)
        a = min(1000, 1000 * measured // max(1, device.expected))
        n = factor_neighbour(device, neighbours)
        d, r = factor_deployment(device, neighbours, epoch, start_ms, epoch_ms)
        place = 1000
        if device.reported is not None:
            place = clamp((1000 - metres(device.position, device.reported)) * 1000 // 900, 0, 1000)
        gate = device.gate
        if d == 0 and gate is None:
            gate = (INDOOR, (IRRADIANCE, r, 40, None))
        score = 0 if gate else a * n * d * place // 1_000_000_000
        rejection, detail = gate or (0, None)
        leaves.append((device.id, a, n, d, place, score, rejection, detail))
    return leaves
