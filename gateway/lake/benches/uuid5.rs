//! UUIDv5 over a column of names: ours, the `uuid` crate, and the `sha1` crate's bare compression, in one run.
//!
//! Rows: names of 39 bytes (one block of SHA-1 with the namespace), 40 (the first with two) and 103 (the last with
//! two). Elements are names, so the figures read as names a second.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use arrow::array::{Array as _, BinaryArray, FixedSizeBinaryBuilder};
use criterion::{BenchmarkId, Criterion, Throughput};
use sha1::block_api::compress;
use uuid::Uuid;

const NAMES: u32 = 100_000;

fn names(length: usize) -> BinaryArray {
    BinaryArray::from_iter_values((0..NAMES).map(|row| {
        let mut name = vec![b'x'; length];
        name[..4].copy_from_slice(&row.to_be_bytes());
        name
    }))
}

fn uuids(criterion: &mut Criterion) {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"coreason.local");
    let mut group = criterion.benchmark_group("uuid5");
    group.throughput(Throughput::Elements(NAMES.into()));
    group.sample_size(20);
    for (length, blocks) in [(39, 1), (40, 2), (103, 2)] {
        let names = names(length);
        group.bench_with_input(BenchmarkId::new("column", length), &names, |bencher, names| {
            bencher.iter(|| bellgate_lake::uuid5::column(namespace, black_box(names)).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("uuid crate", length), &names, |bencher, names| {
            bencher.iter(|| {
                let mut uuids = FixedSizeBinaryBuilder::with_capacity(names.len(), 16);
                for name in black_box(names).iter().flatten() {
                    uuids.append_value(Uuid::new_v5(&namespace, name)).unwrap();
                }
                uuids.finish()
            });
        });
        group.bench_with_input(BenchmarkId::new("bare compression", length), &blocks, |bencher, blocks| {
            let message = [[0x5A; 64]; 2];
            bencher.iter(|| {
                for _ in 0..NAMES {
                    let mut state = [1; 5];
                    compress(&mut state, black_box(&message[..*blocks]));
                    black_box(state);
                }
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    uuids(&mut criterion);
    criterion.final_summary();
}
