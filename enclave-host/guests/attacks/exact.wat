;; Gives as many bytes as its input says in decimal (16 or more), as one JSON string: quote, letters, quote.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func $number (result i64)
    (local $number i64) (local $at i64)
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (call $input_length)))
        (local.set $number
          (i64.add
            (i64.mul (local.get $number) (i64.const 10))
            (i64.extend_i32_u (i32.sub (call $input_load_u8 (local.get $at)) (i32.const 48)))))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next)))
    (local.get $number))
  (func (export "run")
    (local $length i64) (local $at i64) (local $to i64) (local $last i64)
    (local.set $length (call $number))
    (local.set $to (call $alloc (local.get $length)))
    ;; Eight letters at a time; the last eight overlap.
    (local.set $last (i64.sub (local.get $length) (i64.const 8)))
    (loop $next
      (call $store_u64 (i64.add (local.get $to) (local.get $at)) (i64.const 0x6161616161616161))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br_if $next (i64.lt_u (local.get $at) (local.get $last))))
    (call $store_u64 (i64.add (local.get $to) (local.get $last)) (i64.const 0x6161616161616161))
    (call $store_u8 (local.get $to) (i32.const 34))
    (call $store_u8 (i64.sub (i64.add (local.get $to) (local.get $length)) (i64.const 1)) (i32.const 34))
    (call $output_set (local.get $to) (local.get $length))))
