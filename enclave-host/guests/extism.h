/* The part of Extism's guest interface that these guests use (kernel of Extism 1.x, module "extism:host/env").
 *
 * Blocks are named by offsets in the kernel's memory, which a guest can't address: bytes go in and out
 * through the functions below. No C library is linked. */
#ifndef BELLGATE_EXTISM_H
#define BELLGATE_EXTISM_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(name) __attribute__((import_module("extism:host/env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(input_length) u64 extism_input_length(void);
IMPORT(input_load_u8) u32 extism_input_load_u8(u64 at);
IMPORT(input_load_u64) u64 extism_input_load_u64(u64 at);
IMPORT(alloc) u64 extism_alloc(u64 length);
IMPORT(store_u8) void extism_store_u8(u64 at, u32 byte);
IMPORT(store_u64) void extism_store_u64(u64 at, u64 bytes);
IMPORT(output_set) void extism_output_set(u64 at, u64 length);
IMPORT(error_set) void extism_error_set(u64 at);

#endif
