//! Descriptors that the host was started with are its starter's (a shell's, a supervisor's), and nothing of a
//! worker's: each is marked to be closed when a worker is started. Those that the host opens itself already are.

use std::{
    fs, io,
    os::fd::{BorrowedFd, RawFd},
};

use rustix::io::{Errno, FdFlags, fcntl_setfd};

/// Marks every open descriptor but the three standard ones `FD_CLOEXEC`. Called before anything else is opened.
pub(crate) fn keep_from_workers() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        let Some(number) = number.filter(|number| *number > 2) else { continue };
        #[expect(
            unsafe_code,
            reason = "a descriptor that was just listed, before there is another thread that could close it"
        )]
        // SAFETY: `number` is not -1, and the borrow ends with this statement and closes nothing.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(Errno::BADF) => {} // the listing's own is gone when the listing is
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
