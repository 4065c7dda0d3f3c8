//! Whatever a stranger sends to an ingest: never a panic, and what decodes has exactly one encoding.
#![no_main]

use cairn_primitives::Envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.bytes(), bytes);
        let batch = envelope.batch().clone();
        let rebuilt = Envelope::assemble(batch, envelope.key_type(), *envelope.signature());
        assert_eq!(rebuilt.bytes(), bytes, "a sealed file could not rebuild these signed bytes");
    }
});
