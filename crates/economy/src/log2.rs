//! Binary logarithms and powers in fixed point: what a geometric mean and a growth curve need without a float.
//!
//! A `Log2` counts 2^-32 of an octave; a `Price` counts 2^-32 µUSD per STONE, so that a coin worth a millionth of a cent
//! still has ten digits. Invariant: both functions are monotone, and `exp2(log2(x))` is within 2^-29 of `x`, never above
//! the next representable octave step. Every machine gets the same bits.

/// Fractional bits of a logarithm.
pub const LOG2_BITS: u32 = 32;
/// `2^(2^-k)` for k = 1 to 32, in 2^-63, rounded down.
const ROOTS: [u64; 32] = [
    0xb504_f333_f9de_6484,
    0x9837_f051_8db8_a96f,
    0x8b95_c1e3_ea8b_d6e6,
    0x85aa_c367_cc48_7b14,
    0x82cd_8698_ac2b_a1d7,
    0x8164_d1f3_bc03_0773,
    0x80b1_ed4f_d999_ab6c,
    0x8058_d7d2_d5e5_f6b0,
    0x802c_6436_d0e0_4f50,
    0x8016_302f_1746_7628,
    0x800b_179c_8202_8fd0,
    0x8005_8baf_7fee_3b5d,
    0x8002_c5d0_0fdc_fcb6,
    0x8001_62e6_1bed_4a48,
    0x8000_b172_92f7_02a3,
    0x8000_58b9_2abb_ae02,
    0x8000_2c5c_8dad_e4d7,
    0x8000_162e_44ea_f636,
    0x8000_0b17_21fa_7c18,
    0x8000_058b_90de_7e4c,
    0x8000_02c5_c867_8f36,
    0x8000_0162_e431_db9f,
    0x8000_00b1_7218_72d0,
    0x8000_0058_b90c_1aa8,
    0x8000_002c_5c86_05a4,
    0x8000_0016_2e43_00e6,
    0x8000_000b_1721_7ff8,
    0x8000_0005_8b90_bfdd,
    0x8000_0002_c5c8_5fe6,
    0x8000_0001_62e4_2ff1,
    0x8000_0000_b172_17f8,
    0x8000_0000_58b9_0bfc,
];

/// `log2(value)` in 2^-32, rounded down; 0 for 0 and 1. Below 2^39.
#[must_use]
pub fn log2_floor(value: u128) -> u64 {
    let Some(whole) = value.checked_ilog2() else { return 0 };
    // The 64 bits from the highest one on: a number from 1 to 2 in 2^-63.
    let top = if whole >= 63 { value >> (whole - 63) } else { value << (63 - whole) };
    let (mut mantissa, mut fraction) = (top, 0_u64);
    for _ in 0..LOG2_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (u64::from(whole) << LOG2_BITS) | fraction
}

/// `2^exponent`, the exponent in 2^-32, rounded down; saturates from 2^128 on.
#[must_use]
pub fn exp2_floor(exponent: u64) -> u128 {
    let whole = exponent >> LOG2_BITS;
    let mut mantissa = 1_u128 << 63;
    for (bit, root) in (0..LOG2_BITS).rev().zip(ROOTS) {
        if exponent >> bit & 1 == 1 {
            mantissa = (mantissa * u128::from(root)) >> 63;
        }
    }
    match u32::try_from(whole) {
        Ok(whole @ 0..=63) => mantissa >> (63 - whole),
        Ok(whole @ 64..=127) => mantissa << (whole - 63),
        _ => u128::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_exact() {
        for bit in 0..128_u32 {
            let log = u64::from(bit) << LOG2_BITS;
            assert_eq!(log2_floor(1 << bit), log);
            assert_eq!(exp2_floor(log), 1 << bit);
        }
        assert_eq!((log2_floor(0), exp2_floor(u64::MAX)), (0, u128::MAX));
    }

    /// log2(3), log2(10), log2(1e27) and 2^0.5, 2^40.1 to all their bits.
    #[test]
    fn known_values() {
        assert_eq!(log2_floor(3), 6_807_362_105);
        assert_eq!(log2_floor(10), 14_267_572_527);
        assert_eq!(log2_floor(10_u128.pow(27)), 385_224_458_234);
        assert_eq!(exp2_floor((64 << 32) + (1 << 31)), 0xb504_f333_f9de_6484 << 1);
    }

    proptest! {
        #[test]
        fn a_power_undoes_a_logarithm(value in 1_u128 << 32..1 << 120, step in 1_u128..1 << 40) {
            let back = exp2_floor(log2_floor(value));
            prop_assert!(back <= value && value - back <= (value >> 29) + 1, "{value} {back}");
            prop_assert!(log2_floor(value + step) >= log2_floor(value));
        }

        #[test]
        fn powers_rise(exponent in 0_u64..120 << 32, step in 0_u64..1 << 36) {
            prop_assert!(exp2_floor(exponent + step) >= exp2_floor(exponent));
        }
    }
}
