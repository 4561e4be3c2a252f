//! The system calls of a worker.
//!
//! Allowed is what reading and writing one socket, compiling, and running guests with signals, threads and memory takes.
//! Three filters stand behind each other, and of their answers the kernel takes the strictest: opening a path is answered
//! with `EACCES` (the allocator tries one, and does without); `clone3`, whose flags a filter can't read, with `ENOSYS`, on
//! which the C library takes `clone`, of which only threads are allowed; everything else that is not listed kills the
//! process, and the call in it is answered as `aborted`.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// Without looking at their arguments.
const ALLOWED: &[c_long] = &[
    // The one socket, memfds.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads, signals, time.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Answered with `EACCES`.
const PATHS: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// Puts the filters in place, for this thread and all that it will start.
pub(super) fn allow_only_what_guests_take() -> Result<(), Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = |errno: c_int| SeccompAction::Errno(errno.unsigned_abs());
    let paths = listed(PATHS.iter().copied());
    install(paths, SeccompAction::Allow, refuse(libc::EACCES), arch)?;
    install(listed([libc::SYS_clone3]), SeccompAction::Allow, refuse(libc::ENOSYS), arch)?;

    let mut allowed = listed(ALLOWED.iter().chain(PATHS).copied().chain([libc::SYS_clone3]));
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
    let own = u64::from(std::process::id());
    for (call, rule) in [
        (libc::SYS_clone, only(0, SeccompCmpOp::MaskedEq(flags(thread)), flags(thread))?),
        // To oneself alone: what `abort` and a trap handler send.
        (libc::SYS_tgkill, only(0, SeccompCmpOp::Eq, own)?),
        (libc::SYS_prlimit64, only(0, SeccompCmpOp::Eq, 0)?),
        (libc::SYS_prctl, only(0, SeccompCmpOp::Eq, flags(libc::PR_SET_NAME))?),
    ] {
        allowed.insert(call, vec![rule]);
    }
    allowed.entry(libc::SYS_prctl).or_default().push(only(0, SeccompCmpOp::Eq, flags(libc::PR_SET_VMA))?);
    install(allowed, SeccompAction::KillProcess, SeccompAction::Allow, arch)
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Calls whose arguments don't matter.
fn listed(calls: impl IntoIterator<Item = c_long>) -> Rules {
    calls.into_iter().map(|call| (call, Vec::new())).collect()
}

fn only(argument: u8, holds: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, holds, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn flags(flags: c_int) -> u64 {
    u64::from(flags.cast_unsigned())
}

fn install(rules: Rules, others: SeccompAction, these: SeccompAction, arch: TargetArch) -> Result<(), Error> {
    let program: BpfProgram = SeccompFilter::new(rules, others, these, arch)?.try_into()?;
    apply_filter(&program)
}
