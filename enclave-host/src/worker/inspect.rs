//! A module is looked at before anything compiles it, in the worker, and made to carry its memory limit.
//!
//! Refused: text WAT and components; what does not validate with [`FEATURES`] (so no garbage-collected
//! types, threads, exceptions, several or 64-bit memories); imports other than the functions of the
//! Extism kernel and its logging, variables and configuration, which are all empty here; large tables.
//!
//! Why the memory section is written anew: Extism's limiter (`current_plugin.rs`, `MemoryLimiter`)
//! forgets at instantiation what the module started with, and is not installed yet when a start
//! function runs, so that a guest could reach twice its cap and more. With a maximum of one page more
//! than the cap, Extism refuses exactly the growth past the cap, as it refuses any growth *to* a
//! declared maximum; a declared maximum below the cap is raised by one page for the same reason.

use std::ops::Range;

use bellgate_enclave_protocol::Cause;
use extism::EXTISM_ENV_MODULE;
use wasmparser::{Import, MemoryType, Parser, Payload, TypeRef, Validator, WasmFeatures};

/// The WebAssembly that guests may be written in: version 2 without external references, and tail calls and extended constants.
const FEATURES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST);

/// What a guest may import, all from `extism:host/env`. No `http_*`, and nothing from anywhere else.
const IMPORTS: [&str; 30] = [
    "alloc",
    "free",
    "length",
    "length_unsafe",
    "load_u8",
    "load_u64",
    "store_u8",
    "store_u64",
    "input_length",
    "input_load_u8",
    "input_load_u64",
    "input_offset",
    "input_set",
    "output_set",
    "output_length",
    "output_offset",
    "error_set",
    "error_get",
    "memory_bytes",
    "reset",
    "config_get",
    "var_get",
    "var_set",
    "log_trace",
    "log_debug",
    "log_info",
    "log_warn",
    "log_error",
    "get_log_level",
    "input_load",
];

/// Most tables of a module, and most elements of each.
pub(super) const TABLES_MAX: u32 = 4;
pub(super) const TABLE_ELEMENTS_MAX: u32 = 20_000;

/// Version 1 of the binary format; components and text start otherwise.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// The module to compile for a cap of `pages` pages of linear memory.
///
/// # Errors
///
/// [`Cause::MemoryExceeded`] if it starts with more; [`Cause::ModuleRefused`] for all else.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum of sections is not exhaustive; others were validated and pass"
)]
pub(super) fn inspect(module: &[u8], pages: u64) -> Result<Vec<u8>, Cause> {
    if !module.starts_with(MAGIC) {
        return Err(Cause::ModuleRefused);
    }
    Validator::new_with_features(FEATURES).validate_all(module).map_err(refused)?;
    let mut memory = None;
    let mut before = 0; // where the section before ended, and this one's head starts
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(refused)? {
            Payload::Version { range, .. } => before = range.end,
            Payload::ImportSection(section) => {
                before = section.range().end;
                for import in section.into_imports() {
                    check_import(&import.map_err(refused)?)?;
                }
            }
            Payload::TableSection(section) => {
                before = section.range().end;
                if section.count() > TABLES_MAX {
                    return Err(Cause::ModuleRefused);
                }
                for table in section {
                    if table.map_err(refused)?.ty.initial > u64::from(TABLE_ELEMENTS_MAX) {
                        return Err(Cause::ModuleRefused);
                    }
                }
            }
            Payload::MemorySection(section) => {
                let place = before..section.range().end;
                before = place.end;
                for found in section {
                    memory = Some((place.clone(), found.map_err(refused)?));
                }
            }
            other => {
                if let Some((_, range)) = other.as_section() {
                    before = range.end;
                }
            }
        }
    }
    match memory {
        Some((_, found)) if found.initial > pages => Err(Cause::MemoryExceeded),
        Some((place, found)) => with_maximum(module, place, &found, pages),
        None => Ok(module.to_vec()),
    }
}

fn check_import(import: &Import<'_>) -> Result<(), Cause> {
    let is_function = matches!(import.ty, TypeRef::Func(_));
    if is_function && import.module == EXTISM_ENV_MODULE && IMPORTS.contains(&import.name) {
        Ok(())
    } else {
        Err(Cause::ModuleRefused)
    }
}

fn with_maximum(module: &[u8], place: Range<usize>, found: &MemoryType, pages: u64) -> Result<Vec<u8>, Cause> {
    let least_refused = found.maximum.unwrap_or(pages).min(pages) + 1;
    let mut body = vec![1, 1]; // one memory, with a maximum
    put_leb128(&mut body, found.initial);
    put_leb128(&mut body, least_refused);
    let before = module.get(..place.start).ok_or(Cause::ModuleRefused)?;
    let after = module.get(place.end..).ok_or(Cause::ModuleRefused)?;
    let mut written = Vec::with_capacity(module.len() + body.len() + 2);
    written.extend_from_slice(before);
    written.push(MEMORY_SECTION);
    put_leb128(&mut written, body.len() as u64);
    written.extend_from_slice(&body);
    written.extend_from_slice(after);
    Ok(written)
}

const MEMORY_SECTION: u8 = 5;

fn put_leb128(to: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return to.push(low & 0x7f);
        }
        to.push(low | 0x80);
    }
}

fn refused(_: wasmparser::BinaryReaderError) -> Cause {
    Cause::ModuleRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maximum_of(text: &str, pages: u64) -> Result<Option<u64>, Cause> {
        let written = inspect(&wat::parse_str(text).unwrap(), pages)?;
        Validator::new_with_features(FEATURES).validate_all(&written).unwrap();
        let mut maximum = None;
        for payload in Parser::new(0).parse_all(&written) {
            if let Payload::MemorySection(section) = payload.unwrap() {
                maximum = section.into_iter().next().unwrap().unwrap().maximum;
            }
        }
        Ok(maximum)
    }

    #[test]
    fn the_memory_section_carries_the_cap() {
        let rows = [
            ("(module (memory 1))", Ok(Some(11))),
            ("(module (memory 10))", Ok(Some(11))),
            ("(module (memory 11))", Err(Cause::MemoryExceeded)),
            ("(module (memory 1 4))", Ok(Some(5))),
            ("(module (memory 1 9000))", Ok(Some(11))),
            ("(module)", Ok(None)),
            (
                "(module (@custom \"x\" \"before\") (func) (memory 2) (global i32 (i32.const 1)) (export \"m\" (memory 0)) (data (i32.const 0) \"hello\"))",
                Ok(Some(11)),
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(maximum_of(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn long_numbers_are_written_whole() {
        assert_eq!(maximum_of("(module (memory 200 300))", 16_384), Ok(Some(301)));
        assert_eq!(maximum_of("(module (memory 200))", 16_384), Ok(Some(16_385)));
    }

    #[test]
    fn what_is_no_plain_module_is_refused() {
        let env = EXTISM_ENV_MODULE;
        let texts = [
            "(component)".to_owned(),
            "(module (memory 1) (memory 1))".to_owned(),
            "(module (memory i64 1))".to_owned(),
            "(module (memory 1 1 shared))".to_owned(),
            "(module (type (struct)))".to_owned(),
            "(module (global externref (ref.null extern)))".to_owned(),
            "(module (table 20001 funcref))".to_owned(),
            "(module (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref))"
                .to_owned(),
            "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))))".to_owned(),
            "(module (import \"extism:host/user\" \"f\" (func)))".to_owned(),
            format!("(module (import \"{env}\" \"memory\" (memory 1)))"),
            format!("(module (import \"{env}\" \"extism_context\" (global externref)))"),
            format!("(module (import \"{env}\" \"http_request\" (func (param i64 i64) (result i64))))"),
            format!("(module (import \"{env}\" \"missing\" (func)))"),
        ];
        for text in texts {
            assert_eq!(inspect(&wat::parse_str(&text).unwrap(), 10).unwrap_err(), Cause::ModuleRefused, "{text}");
        }
        for bytes in [&b""[..], b"\0asm", b"(module)", b"\0asm\x01\0\0\0\xff", b"\0asm\x02\0\0\0"] {
            assert_eq!(inspect(bytes, 10), Err(Cause::ModuleRefused));
        }
    }

    #[test]
    fn limits_of_tables_pass_at_the_limit() {
        let text = "(module (table 20000 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref))";
        assert!(inspect(&wat::parse_str(text).unwrap(), 10).is_ok());
    }
}
