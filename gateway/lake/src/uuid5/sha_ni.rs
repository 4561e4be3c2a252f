//! SHA-1 of several messages through the SHA instructions, interleaved: while a round of one waits for its result, the
//! rounds of the others run. Source: FIPS 180-4, section 6.1; the instructions as Intel's manual (SHA1RNDS4, SHA1NEXTE,
//! SHA1MSG1, SHA1MSG2) defines them.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_extract_epi64, _mm_or_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32,
    _mm_shuffle_epi8, _mm_xor_si128,
};

use super::UUID_BYTES;
use super::blocks::Block;
use super::engine::Proven;

/// Names at once: what 16 registers and the rounds' latency make best.
pub(super) const LANES: usize = 6;

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

#[derive(Clone, Copy)]
struct State {
    abcd: __m128i,
    e: __m128i,
}

/// Four rounds, number `$group` of 20, in every lane.
macro_rules! four_rounds {
    ($abcd:ident, $e:ident, $words:ident, $group:literal, $function:literal) => {
        for ((abcd, e), w) in $abcd.iter_mut().zip($e.iter_mut()).zip($words.iter_mut()) {
            let [w0, w1, w2, w3] = w;
            // The four words of this group stand first; the ring turns by one group each time.
            let word = *w0;
            if $group < 16 {
                *w0 = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(word, *w1), *w2), *w3);
            }
            (*w0, *w1, *w2, *w3) = (*w1, *w2, *w3, *w0);
            let sum = if $group == 0 { _mm_add_epi32(*e, word) } else { _mm_sha1nexte_epu32(*e, word) };
            *e = *abcd;
            *abcd = _mm_sha1rnds4_epu32::<$function>(*abcd, sum);
        }
    };
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn hash<const B: usize>(blocks: &[[Block; LANES]; B]) -> [[u8; UUID_BYTES]; LANES] {
    let initial = State {
        abcd: words_of([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]),
        e: words_of([0xc3d2_e1f0, 0, 0, 0]),
    };
    let mut states = [initial; LANES];
    for block in blocks {
        compress(&mut states, block);
    }
    let version = words_of([0, 0x5000, 0x8000_0000, 0]);
    let kept = words_of([u32::MAX, 0xFFFF_0FFF, 0x3FFF_FFFF, u32::MAX]);
    states.map(|state| {
        let words = _mm_or_si128(_mm_and_si128(state.abcd, kept), version);
        let (high, low) = (_mm_extract_epi64::<1>(words), _mm_extract_epi64::<0>(words));
        let value = u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned());
        value.to_be_bytes()
    })
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress(states: &mut [State; LANES], blocks: &[Block; LANES]) {
    let mut words = [[_mm_setzero_si128(); 4]; LANES];
    for (words, block) in words.iter_mut().zip(blocks) {
        *words = message_words(block);
    }
    let mut abcd = states.map(|state| state.abcd);
    let mut e = states.map(|state| state.e);
    four_rounds!(abcd, e, words, 0, 0);
    four_rounds!(abcd, e, words, 1, 0);
    four_rounds!(abcd, e, words, 2, 0);
    four_rounds!(abcd, e, words, 3, 0);
    four_rounds!(abcd, e, words, 4, 0);
    four_rounds!(abcd, e, words, 5, 1);
    four_rounds!(abcd, e, words, 6, 1);
    four_rounds!(abcd, e, words, 7, 1);
    four_rounds!(abcd, e, words, 8, 1);
    four_rounds!(abcd, e, words, 9, 1);
    four_rounds!(abcd, e, words, 10, 2);
    four_rounds!(abcd, e, words, 11, 2);
    four_rounds!(abcd, e, words, 12, 2);
    four_rounds!(abcd, e, words, 13, 2);
    four_rounds!(abcd, e, words, 14, 2);
    four_rounds!(abcd, e, words, 15, 3);
    four_rounds!(abcd, e, words, 16, 3);
    four_rounds!(abcd, e, words, 17, 3);
    four_rounds!(abcd, e, words, 18, 3);
    four_rounds!(abcd, e, words, 19, 3);
    for ((state, abcd), e) in states.iter_mut().zip(abcd).zip(e) {
        state.e = _mm_sha1nexte_epu32(e, state.e);
        state.abcd = _mm_add_epi32(abcd, state.abcd);
    }
}

/// The 16 words of a block, the first in the highest place of the first register.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn message_words(block: &Block) -> [__m128i; 4] {
    let reversed = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let mut words = [_mm_setzero_si128(); 4];
    for (words, quarter) in words.iter_mut().zip(block.as_chunks::<16>().0) {
        if let [low, high] = quarter.as_chunks::<8>().0 {
            *words = _mm_shuffle_epi8(_mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low)), reversed);
        }
    }
    words
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words_of(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_set_epi32(a, b, c, d)
}
