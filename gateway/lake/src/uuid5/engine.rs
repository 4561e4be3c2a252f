//! Which way the names of a column are hashed.

use sha1::{Digest as _, Sha1};

use super::blocks::{Batch, ONE_BLOCK_NAME, TWO_BLOCK_NAME, first_block};
use super::{UUID_BYTES, version_5};

/// A way to hash names. One that the processor lacks can't be had from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// 16 lanes of AVX-512 (F and BW).
    #[cfg(target_arch = "x86_64")]
    Avx512(Proven),
    /// 6 names interleaved through the SHA instructions.
    #[cfg(target_arch = "x86_64")]
    ShaNi(Proven),
    /// The `sha1` crate, one name after the other.
    OneByOne,
}

/// The processor was asked and has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proven(());

impl Engine {
    /// All that this processor has, the fastest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wide = [
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"))
                .then_some(Self::Avx512(Proven(()))),
            (is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("ssse3")
                && is_x86_feature_detected!("sse4.1"))
            .then_some(Self::ShaNi(Proven(()))),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let wide: [Option<Self>; 0] = [];
        wide.into_iter().flatten().chain([Self::OneByOne])
    }

    /// The fastest that this processor has.
    pub(super) fn best() -> Self {
        Self::all().next().unwrap_or(Self::OneByOne)
    }

    /// The UUID of each name into its place; there are as many of both.
    pub(super) fn hash<'a>(
        self,
        namespace: &[u8; 16],
        names: impl Iterator<Item = &'a [u8]>,
        places: &mut [[u8; UUID_BYTES]],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(proof) => side_by_side(
                namespace,
                names,
                places,
                |blocks| super::avx512::uuids(proof, blocks),
                |blocks| super::avx512::uuids(proof, blocks),
            ),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(proof) => side_by_side(
                namespace,
                names,
                places,
                |blocks| super::sha_ni::uuids(proof, blocks),
                |blocks| super::sha_ni::uuids(proof, blocks),
            ),
            Self::OneByOne => {
                for (place, name) in places.iter_mut().zip(names) {
                    *place = alone(namespace, name);
                }
            }
        }
    }
}

/// Collects names of one and of two blocks, each kind in a batch of its own, and hashes a batch when it is full.
fn side_by_side<'a, const W: usize>(
    namespace: &[u8; 16],
    names: impl Iterator<Item = &'a [u8]>,
    places: &mut [[u8; UUID_BYTES]],
    one: impl Fn(&[[[u8; 64]; W]; 1]) -> [[u8; UUID_BYTES]; W],
    two: impl Fn(&[[[u8; 64]; W]; 2]) -> [[u8; UUID_BYTES]; W],
) {
    let first = first_block(namespace);
    let (mut short, mut long) = (Batch::<W, 1>::new(first), Batch::<W, 2>::new(first));
    for (row, name) in names.enumerate() {
        match name.len() {
            length if length <= ONE_BLOCK_NAME => {
                if short.push(row, name) {
                    settle(&mut short, &one, places);
                }
            }
            length if length <= TWO_BLOCK_NAME => {
                if long.push(row, name) {
                    settle(&mut long, &two, places);
                }
            }
            _ => {
                if let Some(place) = places.get_mut(row) {
                    *place = alone(namespace, name);
                }
            }
        }
    }
    settle(&mut short, one, places);
    settle(&mut long, two, places);
}

fn settle<const W: usize, const B: usize>(
    batch: &mut Batch<W, B>,
    hash: impl Fn(&[[[u8; 64]; W]; B]) -> [[u8; UUID_BYTES]; W],
    places: &mut [[u8; UUID_BYTES]],
) {
    if batch.is_empty() {
        return;
    }
    let uuids = hash(&batch.blocks);
    for (row, uuid) in batch.take_rows().zip(uuids) {
        if let Some(place) = places.get_mut(row) {
            *place = uuid;
        }
    }
}

fn alone(namespace: &[u8; 16], name: &[u8]) -> [u8; UUID_BYTES] {
    let digest: [u8; 20] = Sha1::new().chain_update(namespace).chain_update(name).finalize().into();
    let mut state = [0; 5];
    for (word, bytes) in state.iter_mut().zip(digest.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    version_5(state)
}
