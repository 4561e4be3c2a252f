//! UUIDv5 (RFC 9562, section 5.5) over a column: SHA-1 of the namespace's 16 bytes and the name, its first 16 bytes
//! straight into Arrow memory, version and variant set by masks.
//!
//! A name of up to 39 bytes fits one block of SHA-1 together with the namespace, and costs one compression; a longer
//! one costs one for each further 64 bytes. The compression is that of the `sha1` crate, which uses the SHA
//! instructions of the processor where there are any. The namespace's place in the block is laid once per column.

use arrow::array::{Array, BinaryArray, FixedSizeBinaryArray};
use arrow::buffer::MutableBuffer;
use arrow::error::ArrowError;
use sha1::block_api::compress;
use uuid::Uuid;

const BLOCK: usize = 64;
const NAMESPACE: usize = 16;
/// Behind the name come the byte 0x80 and the length in bits, which takes 8 bytes.
const PADDING: usize = 9;
/// The longest name whose hash takes one block.
pub const ONE_BLOCK_NAME: usize = BLOCK - NAMESPACE - PADDING;

const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The UUIDs of a column of names: as many rows, 16 bytes each, none null. A null name counts as an empty one.
///
/// # Errors
/// [`ArrowError`] if the column is longer than Arrow can address.
pub fn column(namespace: Uuid, names: &BinaryArray) -> Result<FixedSizeBinaryArray, ArrowError> {
    let hasher = Hasher::new(namespace);
    let mut uuids = MutableBuffer::new(names.len().saturating_mul(NAMESPACE));
    for row in 0..names.len() {
        let name = if names.is_null(row) { &[] } else { names.value(row) };
        uuids.extend_from_slice(&hasher.uuid(name));
    }
    FixedSizeBinaryArray::try_new(16, uuids.into(), None)
}

/// The blocks of one namespace, laid once.
struct Hasher {
    /// The namespace, and zeros.
    first: [u8; BLOCK],
}

impl Hasher {
    fn new(namespace: Uuid) -> Self {
        let mut first = [0; BLOCK];
        put(&mut first, 0, namespace.as_bytes());
        Self { first }
    }

    fn uuid(&self, name: &[u8]) -> [u8; 16] {
        let mut state = INITIAL;
        let bits = message_bits(name);
        if name.len() <= ONE_BLOCK_NAME {
            let mut block = self.first;
            put(&mut block, NAMESPACE, name);
            end(&mut block, NAMESPACE + name.len(), bits);
            compress(&mut state, &[block]);
        } else {
            let (head, mut rest) = name.split_at(name.len().min(BLOCK - NAMESPACE));
            let mut block = self.first;
            put(&mut block, NAMESPACE, head);
            if head.len() < BLOCK - NAMESPACE {
                // 40 to 47 bytes: the name ends in the first block, the length stands in a second.
                put(&mut block, NAMESPACE + head.len(), &[0x80]);
                compress(&mut state, &[block, length_block(bits)]);
                return version_5(state);
            }
            compress(&mut state, &[block]);
            while let Some((whole, after)) = rest.split_first_chunk::<BLOCK>() {
                compress(&mut state, &[*whole]);
                rest = after;
            }
            let mut last = [0; BLOCK];
            put(&mut last, 0, rest);
            if rest.len() + PADDING <= BLOCK {
                end(&mut last, rest.len(), bits);
                compress(&mut state, &[last]);
            } else {
                put(&mut last, rest.len(), &[0x80]);
                compress(&mut state, &[last, length_block(bits)]);
            }
        }
        version_5(state)
    }
}

/// The length in bits of what is hashed.
fn message_bits(name: &[u8]) -> u64 {
    u64::try_from(name.len()).map_or(u64::MAX, |bytes| (bytes + 16) * 8)
}

/// Writes `bytes` at `at`; the callers keep within the block.
fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    if let Some(place) = block.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Ends the message at `at`, in a block that has room for it.
fn end(block: &mut [u8; BLOCK], at: usize, bits: u64) {
    put(block, at, &[0x80]);
    put(block, BLOCK - 8, &bits.to_be_bytes());
}

fn length_block(bits: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, BLOCK - 8, &bits.to_be_bytes());
    block
}

/// The first 16 bytes of the hash, the version in byte 6 and the variant in byte 8.
fn version_5(state: [u32; 5]) -> [u8; 16] {
    let [a, b, c, d, _] = state.map(u128::from);
    let hash = a << 96 | b << 64 | c << 32 | d;
    let version = (hash & !(0xF << 76)) | 0x5 << 76;
    ((version & !(0x3 << 62)) | 0x2 << 62).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, BinaryArray};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::column;

    fn agrees(namespace: Uuid, names: &[Vec<u8>]) {
        let uuids = column(namespace, &BinaryArray::from_iter_values(names)).unwrap();
        assert_eq!(uuids.len(), names.len());
        assert_eq!(uuids.null_count(), 0);
        for (row, name) in names.iter().enumerate() {
            let expected = Uuid::new_v5(&namespace, name);
            assert_eq!(uuids.value(row), expected.as_bytes(), "a name of {} bytes", name.len());
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
