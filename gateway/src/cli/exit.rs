//! Exit statuses, as sysexits(3) has them.

/// A command that was used wrongly, as clap ends with, too.
pub(crate) const USAGE: u8 = 2;
/// `EX_UNAVAILABLE`: the gateway is not there, or can't answer now.
pub(crate) const UNAVAILABLE: u8 = 69;
/// `EX_OSERR`: the system refused something that is needed.
pub(crate) const SYSTEM: u8 = 71;
/// `EX_PROTOCOL`: what came is not what was asked for.
pub(crate) const PROTOCOL: u8 = 76;
/// `EX_NOPERM`: this user may not.
pub(crate) const NO_PERMISSION: u8 = 77;
/// `EX_CONFIG`: config, policy or a file that they name is wrong.
pub(crate) const CONFIG: u8 = 78;
