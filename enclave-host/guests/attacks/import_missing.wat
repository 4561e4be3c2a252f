;; Asks for a function that is not there.
(module
  (import "extism:host/env" "open_file" (func (param i64) (result i64)))
  (func (export "run")))
