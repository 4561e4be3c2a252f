;; Loops before anything is called.
(module
  (func $start (loop $again (br $again)))
  (start $start)
  (func (export "run")))
