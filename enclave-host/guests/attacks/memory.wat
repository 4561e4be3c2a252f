;; Grows its memory of one page by as many pages as its input has bytes, one at a time or at once; says `1` when it could, traps when growing gives -1.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func $grow (param $pages i32)
    (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable))
    ;; Touch the last byte.
    (i32.store8
      (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))
      (i32.const 1)))
  (func $say_one
    (local $to i64)
    (local.set $to (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $to) (i32.const 49))
    (call $output_set (local.get $to) (i64.const 1)))
  (func (export "at_once")
    (call $grow (i32.wrap_i64 (call $input_length)))
    (call $say_one))
  (func (export "step_by_step")
    (local $left i64)
    (local.set $left (call $input_length))
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $left)))
        (call $grow (i32.const 1))
        (local.set $left (i64.sub (local.get $left) (i64.const 1)))
        (br $next)))
    (call $say_one))
  (func (export "for_ever")
    (loop $next (call $grow (i32.const 1)) (br $next)))
  ;; Fills the kernel's memory instead of its own.
  (func (export "blocks")
    (loop $next (drop (call $alloc (i64.const 1048576))) (br $next))))
