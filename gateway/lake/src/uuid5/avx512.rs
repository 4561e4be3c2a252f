//! SHA-1 of 16 messages at once, word by word in the lanes of AVX-512 registers. Source: FIPS 180-4, section 6.1.
//!
//! Three words are joined by one instruction (`ternarylogic`), whose constant is the truth table of what joins them:
//! 0xCA chooses the second or third by the first, 0x96 is exclusive or, 0xE8 the majority.

use std::arch::x86_64::{
    __m512i, _mm_extract_epi64, _mm512_add_epi32, _mm512_and_si512, _mm512_extracti32x4_epi32, _mm512_or_si512,
    _mm512_rol_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use super::UUID_BYTES;
use super::blocks::Block;
use super::engine::Proven;

/// Names at once: 32-bit words in a register.
pub(super) const LANES: usize = 16;

const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The UUIDs of as many messages of `B` blocks; `blocks[b][lane]`.
pub(super) fn uuids<const B: usize>(_proof: Proven, blocks: &[[Block; LANES]; B]) -> [[u8; UUID_BYTES]; LANES] {
    #[expect(
        unsafe_code,
        reason = "the proof says that the processor has these instructions; nothing else is asked of the caller"
    )]
    unsafe {
        hash(blocks)
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn hash<const B: usize>(blocks: &[[Block; LANES]; B]) -> [[u8; UUID_BYTES]; LANES] {
    let mut state = INITIAL.map(|word| _mm512_set1_epi32(word.cast_signed()));
    for block in blocks {
        compress(&mut state, block);
    }
    version_5(state)
}

/// One round; the words of the schedule are made as they are needed, each in the place of the one 16 before.
macro_rules! round {
    ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $words:ident, $t:expr, $join:literal, $constant:ident) => {
        let word = if $t < 16 {
            word($words, $t)
        } else {
            let joined =
                _mm512_ternarylogic_epi32::<0x96>(word($words, $t + 13), word($words, $t + 8), word($words, $t + 2));
            let next = _mm512_rol_epi32::<1>(_mm512_xor_si512(joined, word($words, $t)));
            set_word($words, $t, next);
            next
        };
        let joined = _mm512_ternarylogic_epi32::<$join>($b, $c, $d);
        let sum = _mm512_add_epi32(_mm512_add_epi32($e, _mm512_add_epi32(word, $constant)), joined);
        $e = _mm512_add_epi32(sum, _mm512_rol_epi32::<5>($a));
        $b = _mm512_rol_epi32::<30>($b);
    };
}

/// Five rounds: after them each variable has its own role again.
macro_rules! five_rounds {
    ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $words:ident, $t:expr, $join:literal, $constant:ident) => {
        round!($a, $b, $c, $d, $e, $words, $t, $join, $constant);
        round!($e, $a, $b, $c, $d, $words, $t + 1, $join, $constant);
        round!($d, $e, $a, $b, $c, $words, $t + 2, $join, $constant);
        round!($c, $d, $e, $a, $b, $words, $t + 3, $join, $constant);
        round!($b, $c, $d, $e, $a, $words, $t + 4, $join, $constant);
    };
}

/// The 20 rounds that share a function and a constant.
macro_rules! twenty_rounds {
    ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $words:ident, $t:literal, $join:literal, $constant:literal) => {
        let constant = _mm512_set1_epi32($constant);
        five_rounds!($a, $b, $c, $d, $e, $words, $t, $join, constant);
        five_rounds!($a, $b, $c, $d, $e, $words, $t + 5, $join, constant);
        five_rounds!($a, $b, $c, $d, $e, $words, $t + 10, $join, constant);
        five_rounds!($a, $b, $c, $d, $e, $words, $t + 15, $join, constant);
    };
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(state: &mut [__m512i; 5], blocks: &[Block; LANES]) {
    let words = &mut transposed(blocks);
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    twenty_rounds!(a, b, c, d, e, words, 0_usize, 0xCA, 0x5a82_7999);
    twenty_rounds!(a, b, c, d, e, words, 20_usize, 0x96, 0x6ed9_eba1);
    twenty_rounds!(a, b, c, d, e, words, 40_usize, 0xE8, -0x70e4_4324);
    twenty_rounds!(a, b, c, d, e, words, 60_usize, 0x96, -0x359d_3e2a);
    for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *old = _mm512_add_epi32(*old, new);
    }
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the mask keeps it within the 16 words")]
fn word(words: &[__m512i; 16], t: usize) -> __m512i {
    words[t & 15]
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the mask keeps it within the 16 words")]
fn set_word(words: &mut [__m512i; 16], t: usize, value: __m512i) {
    words[t & 15] = value;
}

/// From 16 rows (the blocks) to 16 columns: word `t` of all blocks in register `t`, as numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(blocks: &[Block; LANES]) -> [__m512i; 16] {
    let reversed = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [_mm512_setzero_si512(); 16];
    for (row, block) in rows.iter_mut().zip(blocks) {
        if let [a, b, c, d, e, f, g, h] = block.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = [a, b, c, d, e, f, g, h].map(|bytes| i64::from_le_bytes(*bytes));
            *row = _mm512_shuffle_epi8(_mm512_set_epi64(h, g, f, e, d, c, b, a), reversed);
        }
    }
    // Within each group of four rows: first pairs of words, then all four; column j of a group then holds, in its
    // 128-bit part p, word 4p + j of the group's rows.
    let mut groups = [[_mm512_setzero_si512(); 4]; 4];
    for (group, four) in groups.iter_mut().zip(rows.as_chunks::<4>().0) {
        let [r0, r1, r2, r3] = *four;
        let (low01, high01) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (low23, high23) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        *group = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    // Then the parts of the four groups are put side by side.
    let [g0, g1, g2, g3] = groups;
    let mut words = [_mm512_setzero_si512(); 16];
    let [part0, part1, part2, part3] = words.as_chunks_mut::<4>().0 else { return words };
    let columns = g0.into_iter().zip(g1).zip(g2).zip(g3);
    let places = part0.iter_mut().zip(part1).zip(part2).zip(part3);
    for ((((w0, w1), w2), w3), (((c0, c1), c2), c3)) in places.zip(columns) {
        let (even01, odd01) = (_mm512_shuffle_i32x4::<0x88>(c0, c1), _mm512_shuffle_i32x4::<0xDD>(c0, c1));
        let (even23, odd23) = (_mm512_shuffle_i32x4::<0x88>(c2, c3), _mm512_shuffle_i32x4::<0xDD>(c2, c3));
        *w0 = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        *w1 = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        *w2 = _mm512_shuffle_i32x4::<0xDD>(even01, even23);
        *w3 = _mm512_shuffle_i32x4::<0xDD>(odd01, odd23);
    }
    words
}

/// The first 16 bytes of each lane's hash, version and variant set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn version_5(state: [__m512i; 5]) -> [[u8; UUID_BYTES]; LANES] {
    let [a, b, c, d, _] = state;
    let set = |word, kept: i32, bits: i32| {
        _mm512_or_si512(_mm512_and_si512(word, _mm512_set1_epi32(kept)), _mm512_set1_epi32(bits))
    };
    let b = set(b, !0xF000, 0x5000);
    let c = set(c, 0x3FFF_FFFF, i32::MIN);
    // 64-bit halves: of two lanes in each 128-bit part, lanes 4p and 4p + 1 from the low words, the others from the high.
    let (ab, ab_high) = (_mm512_unpacklo_epi32(b, a), _mm512_unpackhi_epi32(b, a));
    let (cd, cd_high) = (_mm512_unpacklo_epi32(d, c), _mm512_unpackhi_epi32(d, c));
    let mut uuids = [[0; UUID_BYTES]; LANES];
    let [part0, part1, part2, part3] = uuids.as_chunks_mut::<4>().0 else { return uuids };
    macro_rules! part {
        ($place:ident, $part:literal) => {{
            let (ab, ab_high) = (_mm512_extracti32x4_epi32::<$part>(ab), _mm512_extracti32x4_epi32::<$part>(ab_high));
            let (cd, cd_high) = (_mm512_extracti32x4_epi32::<$part>(cd), _mm512_extracti32x4_epi32::<$part>(cd_high));
            let join = |high: i64, low: i64| {
                (u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_be_bytes()
            };
            *$place = [
                join(_mm_extract_epi64::<0>(ab), _mm_extract_epi64::<0>(cd)),
                join(_mm_extract_epi64::<1>(ab), _mm_extract_epi64::<1>(cd)),
                join(_mm_extract_epi64::<0>(ab_high), _mm_extract_epi64::<0>(cd_high)),
                join(_mm_extract_epi64::<1>(ab_high), _mm_extract_epi64::<1>(cd_high)),
            ];
        }};
    }
    part!(part0, 0);
    part!(part1, 1);
    part!(part2, 2);
    part!(part3, 3);
    uuids
}
