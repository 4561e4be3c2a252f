;; Outputs that are none: not UTF-8, not JSON, two documents, nothing, a forged length; and one deep JSON document.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory 1)
  (data (i32.const 0) "\22\ff\fe\22")   ;; 0, 4: bytes that UTF-8 never has
  (data (i32.const 8) "\22\c3\22")      ;; 8, 3: a character cut short
  (data (i32.const 16) "{\22a\22:}")    ;; 16, 6: not JSON
  (data (i32.const 24) "1 2")           ;; 24, 3: two documents
  (data (i32.const 32) "[1,2")          ;; 32, 4: cut short
  (func $give (param $from i32) (param $length i32)
    (local $to i64) (local $at i32)
    (local.set $to (call $alloc (i64.extend_i32_u (local.get $length))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $to) (i64.extend_i32_u (local.get $at)))
          (i32.load8_u (i32.add (local.get $from) (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $output_set (local.get $to) (i64.extend_i32_u (local.get $length))))
  (func (export "not_utf8") (call $give (i32.const 0) (i32.const 4)))
  (func (export "cut_utf8") (call $give (i32.const 8) (i32.const 3)))
  (func (export "not_json") (call $give (i32.const 16) (i32.const 6)))
  (func (export "two_documents") (call $give (i32.const 24) (i32.const 3)))
  (func (export "cut_json") (call $give (i32.const 32) (i32.const 4)))
  (func (export "nothing"))
  ;; 100,000 brackets each way.
  (func (export "deep")
    (local $to i64) (local $at i64)
    (local.set $to (call $alloc (i64.const 200000)))
    (loop $next
      (call $store_u8
        (i64.add (local.get $to) (local.get $at))
        (select (i32.const 91) (i32.const 93) (i64.lt_u (local.get $at) (i64.const 100000))))
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (br_if $next (i64.lt_u (local.get $at) (i64.const 200000))))
    (call $output_set (local.get $to) (i64.const 200000)))
  ;; Writes the output's length into the kernel's own fields: 2^60 bytes, 9 MB of which most are not there, and 2^64-1.
  (func $forge (param $length i64)
    (call $give (i32.const 24) (i32.const 1))
    (call $store_u64 (i64.const 57) (local.get $length)))
  (func (export "forge_huge") (call $forge (i64.const 0x1000000000000000)))
  (func (export "forge_within") (call $forge (i64.const 9000000)))
  (func (export "forge_all") (call $forge (i64.const -1))))
