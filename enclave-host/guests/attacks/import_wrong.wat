;; Asks for a kernel function with a signature that it does not have.
(module
  (import "extism:host/env" "alloc" (func (param i32)))
  (func (export "run")))
