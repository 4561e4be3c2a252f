//! Exit statuses, as sysexits(3) has them.

/// `EX_OSERR`: the system refused something that is needed.
pub(crate) const SYSTEM: u8 = 71;
/// `EX_CONFIG`: config, policy or a file that they name is wrong.
pub(crate) const CONFIG: u8 = 78;
