;; Traps before anything is called.
(module
  (func $start unreachable)
  (start $start)
  (func (export "run")))
