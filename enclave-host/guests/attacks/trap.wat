;; Traps in several ways.
(module
  (memory 1)
  (table 1 funcref)
  (type $nothing (func))
  (func (export "unreachable") unreachable)
  (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
  (func (export "out_of_bounds") (drop (i32.load (i32.const -8))))
  (func (export "null_call") (call_indirect (type $nothing) (i32.const 0)))
  (func $deeper (export "recurse") (call $deeper)))
