;; Grows its table until growing is refused, then says `1`.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (table $table 1 funcref)
  (func (export "run")
    (local $to i64)
    (loop $again
      (br_if $again (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
    (if (i32.gt_u (table.size $table) (i32.const 20000)) (then unreachable))
    (local.set $to (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $to) (i32.const 49))
    (call $output_set (local.get $to) (i64.const 1))))
