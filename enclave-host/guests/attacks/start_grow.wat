;; Takes all the memory it can get before anything is called, then says `1` if it holds more than 10 pages and `0` if not.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory 1)
  (func $start
    (loop $again
      (if (i32.lt_u (memory.size) (i32.const 10))
        (then
          (drop (memory.grow (i32.const 1)))
          (br $again)))))
  (start $start)
  (func (export "run")
    (local $to i64)
    (local.set $to (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $to) (i32.add (i32.const 48) (i32.gt_u (memory.size) (i32.const 10))))
    (call $output_set (local.get $to) (i64.const 1)))
  (func (export "grow_once_more")
    (drop (memory.grow (i32.const 1)))
    unreachable))
