//! UUIDv5 (RFC 9562, section 5.5) over a column: SHA-1 of the namespace's 16 bytes and the name, its first 16 bytes
//! straight into Arrow memory, version and variant set by masks.
//!
//! A name of up to 39 bytes fits one block of SHA-1 together with the namespace; one of up to 103 bytes takes two. Names
//! of these two kinds are laid out in blocks side by side (`blocks`) and hashed several at a time: one SHA-1 is a chain
//! of rounds that each wait for the one before, and the processor has room beside it. What hashes them is chosen once by
//! what the processor has (`engine`): 16 names in the lanes of AVX-512 registers, or 6 interleaved through the SHA
//! instructions, or one after the other by the `sha1` crate. Longer names always go the last way.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod engine;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use arrow::array::{Array, BinaryArray, FixedSizeBinaryArray};
use arrow::buffer::MutableBuffer;
use arrow::error::ArrowError;
use uuid::Uuid;

pub use blocks::{ONE_BLOCK_NAME, TWO_BLOCK_NAME};
use engine::Engine;

const UUID_BYTES: usize = 16;

/// The UUIDs of a column of names: as many rows, 16 bytes each, none null. A null name counts as an empty one.
///
/// # Errors
/// [`ArrowError`] if the column is longer than Arrow can address.
pub fn column(namespace: Uuid, names: &BinaryArray) -> Result<FixedSizeBinaryArray, ArrowError> {
    column_by(Engine::best(), namespace, names)
}

fn column_by(engine: Engine, namespace: Uuid, names: &BinaryArray) -> Result<FixedSizeBinaryArray, ArrowError> {
    let mut uuids = MutableBuffer::from_len_zeroed(names.len().saturating_mul(UUID_BYTES));
    let (places, _) = uuids.as_slice_mut().as_chunks_mut::<UUID_BYTES>();
    let names = (0..names.len()).map(|row| if names.is_null(row) { &[] } else { names.value(row) });
    engine.hash(namespace.as_bytes(), names, places);
    FixedSizeBinaryArray::try_new(16, uuids.into(), None)
}

/// The first 16 bytes of a SHA-1 state, the version in byte 6 and the variant in byte 8.
fn version_5(state: [u32; 5]) -> [u8; UUID_BYTES] {
    let [a, b, c, d, _] = state;
    let words = [a, (b & 0xFFFF_0FFF) | 0x5000, (c & 0x3FFF_FFFF) | 0x8000_0000, d];
    let mut uuid = [0; UUID_BYTES];
    for (place, word) in uuid.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
    uuid
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, BinaryArray};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::engine::Engine;
    use super::{column, column_by};

    /// Every way that this processor has, against the `uuid` crate.
    fn agrees(namespace: Uuid, names: &[Vec<u8>]) {
        let column = BinaryArray::from_iter_values(names);
        for engine in Engine::all() {
            let uuids = column_by(engine, namespace, &column).unwrap();
            assert_eq!(uuids.len(), names.len());
            assert_eq!(uuids.null_count(), 0);
            for (row, name) in names.iter().enumerate() {
                let expected = Uuid::new_v5(&namespace, name);
                assert_eq!(uuids.value(row), expected.as_bytes(), "{engine:?}: a name of {} bytes", name.len());
            }
        }
    }

    #[test]
    fn every_length_around_the_blocks() {
        let names: Vec<Vec<u8>> =
            (0..400u16).map(|length| (0..length).map(|n| n.to_le_bytes()[0] ^ 0x5A).collect()).collect();
        agrees(Uuid::NAMESPACE_DNS, &names);
        agrees(Uuid::from_bytes([0xFF; 16]), &names);
    }

    #[test]
    fn batches_that_are_not_full_and_kinds_that_take_turns() {
        for rows in 0..40_u8 {
            let same: Vec<Vec<u8>> = (0..rows).map(|row| vec![row; 20]).collect();
            agrees(Uuid::NAMESPACE_OID, &same);
            let turns: Vec<Vec<u8>> =
                (0..rows).map(|row| vec![row; [3, 47, 104, 103, 40][usize::from(row) % 5]]).collect();
            agrees(Uuid::NAMESPACE_OID, &turns);
        }
    }

    #[test]
    fn a_slice_of_a_column_and_a_null() {
        let names = BinaryArray::from(vec![Some(b"a".as_slice()), None, Some(b"c")]);
        let uuids = column(Uuid::NAMESPACE_URL, &names.slice(1, 2)).unwrap();
        assert_eq!(uuids.value(0), Uuid::new_v5(&Uuid::NAMESPACE_URL, b"").as_bytes());
        assert_eq!(uuids.value(1), Uuid::new_v5(&Uuid::NAMESPACE_URL, b"c").as_bytes());
        assert_eq!(column(Uuid::nil(), &names.slice(0, 0)).unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn it_is_what_the_uuid_crate_makes(
            namespace: [u8; 16],
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            agrees(Uuid::from_bytes(namespace), &names);
        }
    }
}
