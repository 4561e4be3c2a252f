//! Names of one length class side by side, as the blocks that SHA-1 takes.

const BLOCK: usize = 64;
const NAMESPACE: usize = 16;
/// Behind the name come the byte 0x80 and the length in bits, which takes 8 bytes.
const PADDING: usize = 9;
/// The longest name whose hash takes one block.
pub const ONE_BLOCK_NAME: usize = BLOCK - NAMESPACE - PADDING;
/// The longest name whose hash takes two.
pub const TWO_BLOCK_NAME: usize = ONE_BLOCK_NAME + BLOCK;

/// One block of a SHA-1 message.
pub(super) type Block = [u8; BLOCK];

/// The namespace, and zeros: what every first block begins as.
pub(super) fn first_block(namespace: &[u8; NAMESPACE]) -> Block {
    let mut block = [0; BLOCK];
    put(&mut block, 0, namespace);
    block
}

/// Up to `W` names whose hashes take `B` blocks each.
pub(super) struct Batch<const W: usize, const B: usize> {
    /// `blocks[b][lane]`.
    pub(super) blocks: [[Block; W]; B],
    first: Block,
    rows: [usize; W],
    filled: usize,
}

impl<const W: usize, const B: usize> Batch<W, B> {
    pub(super) fn new(first: Block) -> Self {
        Self { blocks: [[[0; BLOCK]; W]; B], first, rows: [0; W], filled: 0 }
    }

    /// Takes the name of `row`, which must be one of `B` blocks; true when the batch is full.
    pub(super) fn push(&mut self, row: usize, name: &[u8]) -> bool {
        let lane = self.filled;
        if let Some(place) = self.rows.get_mut(lane) {
            *place = row;
            lay(&self.first, name, self.blocks.iter_mut().filter_map(|blocks| blocks.get_mut(lane)));
            self.filled += 1;
        }
        self.filled == W
    }

    /// The rows that were taken since the last time, and an empty batch again.
    pub(super) fn take_rows(&mut self) -> impl Iterator<Item = usize> + use<W, B> {
        self.rows.into_iter().take(std::mem::take(&mut self.filled))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }
}

/// Writes namespace, name and padding over `blocks`, the last of which has room for the length.
fn lay<'a>(first: &Block, name: &[u8], mut blocks: impl Iterator<Item = &'a mut Block>) {
    let Some(block) = blocks.next() else { return };
    *block = *first;
    let (head, rest) = name.split_at(name.len().min(BLOCK - NAMESPACE));
    put(block, NAMESPACE, head);
    let Some(last) = blocks.next() else {
        put(block, NAMESPACE + head.len(), &[0x80]);
        put(block, BLOCK - 8, &message_bits(name));
        return;
    };
    *last = [0; BLOCK];
    if head.len() < BLOCK - NAMESPACE {
        // 40 to 47 bytes: the name ends in the first block, the length stands in the second.
        put(block, NAMESPACE + head.len(), &[0x80]);
    } else {
        put(last, 0, rest);
        put(last, rest.len(), &[0x80]);
    }
    put(last, BLOCK - 8, &message_bits(name));
}

/// The length in bits of what is hashed, big-endian.
fn message_bits(name: &[u8]) -> [u8; 8] {
    u64::try_from(name.len()).map_or(u64::MAX, |bytes| (bytes + 16) * 8).to_be_bytes()
}

/// Writes `bytes` at `at`; the callers keep within the block.
fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    if let Some(place) = block.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
