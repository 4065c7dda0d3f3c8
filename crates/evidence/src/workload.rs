//! Made-up weather stations for the benchmark and the tests: seeded, integer-only, and as noisy as real sensors.

use cairn_kit::chance::Chance;
use cairn_primitives::{
    Anchor, Batch, DeviceId, Digest, Envelope, Epoch, KeyError, Rows, SecretKey, Seq, Stream,
    TimeMs, WEATHER,
};

/// Start of the first batch, in network ms: 2013-01-01 UTC.
pub(crate) const START_MS: u64 = 1_356_998_400_000;
/// WeatherXM stations report every 16 s.
pub(crate) const CADENCE_MS: u64 = 16_000;

/// A station: a key and slowly drifting weather.
pub(crate) struct Station {
    pub key: SecretKey,
    pub device: DeviceId,
    noise: Chance,
    next: u64,
    now: [i32; 7],
}

impl Station {
    pub fn new(number: u64) -> Self {
        let mut noise = Chance::new(number);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&noise.draw().to_le_bytes());
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        let key = SecretKey::ed25519(seed);
        let device = DeviceId::of(&key.public());
        let now = [
            1_500 + noise.around(800),
            6_500 + noise.around(1_500),
            300,
            180 + noise.around(170),
            101_300 + noise.around(500),
            0,
            4_000 + noise.around(2_000),
        ];
        Self { key, device, noise, next: 0, now }
    }

    /// The next `rows` readings, one every `CADENCE_MS`.
    ///
    /// Steps between readings: temperature ±0.03 K, humidity ±0.07 %, wind ±0.15 m/s, direction ±5°, pressure ±0.03 hPa,
    /// rain seldom, irradiance ±1.5 W/m²: what is left after a station's own averaging over 16 s.
    pub fn batch(&mut self, rows: u64) -> Batch {
        let first_seq = self.next;
        self.next += rows;
        let mut out = Rows::default();
        for i in 0..rows {
            let steps = [3, 7, 15, 5, 3, 0, 15].map(|width| self.noise.around(width));
            for (value, step) in self.now.iter_mut().zip(steps) {
                *value += step;
            }
            self.now[1] = self.now[1].clamp(500, 10_000);
            self.now[2] = self.now[2].clamp(0, 4_000);
            self.now[3] = self.now[3].rem_euclid(360);
            if self.noise.draw().is_multiple_of(50) {
                self.now[5] += 20;
            }
            self.now[6] = self.now[6].max(0);
            out.offsets_ms.push(u32::try_from(i * CADENCE_MS).unwrap_or(u32::MAX));
            out.values.extend(self.now.map(Some));
        }
        Batch {
            device: self.device,
            stream: Stream(0),
            first_seq: Seq(first_seq),
            base_time: TimeMs(START_MS + first_seq * CADENCE_MS),
            anchor: Anchor { epoch: Epoch(0), root_prefix: Digest::of(&[b"genesis"]).prefix() },
            position: None,
            schema: WEATHER.id,
            rows: out,
        }
    }

    /// The next batch, signed.
    pub fn envelope(&mut self, rows: u64) -> Result<Envelope, KeyError> {
        Envelope::sign(self.batch(rows), &self.key)
    }
}
