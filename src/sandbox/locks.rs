//! The two locks of the Linux kernel: landlock takes files, network and signals away, seccomp most system calls.
//!
//! Each holds alone what matters, so that a mistake in one list does not open a door. Never decides whether a lock that is
//! missing matters.

use std::collections::BTreeMap;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::strength::Landlock;

/// No file, no TCP port, no signal to anybody else: a set of rules that allows nothing.
pub(super) fn landlock() -> Result<Landlock, String> {
    // What 6.12 knows. Newer rights are about what seccomp refuses already.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::All,
        RulesetStatus::PartiallyEnforced => Landlock::Files,
        RulesetStatus::NotEnforced => return Err("this kernel does not offer it".into()),
    })
}

/// Whatever is not on the list kills the process at once; a few calls that libraries try and can do without fail.
pub(super) fn seccomp() -> Result<(), String> {
    let mut rules = allowed().map_err(|error| error.to_string())?;
    rules.extend(FAILING.iter().map(|number| (*number, Vec::new())));
    let failing = FAILING.iter().map(|number| (*number, Vec::new())).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    // The stricter of two filters wins, so that what both know fails and what neither knows kills.
    apply(failing, SeccompAction::Allow, absent)?;
    apply(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

fn apply(rules: Rules, otherwise: SeccompAction, on_the_list: SeccompAction) -> Result<(), String> {
    let here = std::env::consts::ARCH.try_into().map_err(|error: BackendError| error.to_string())?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, on_the_list, here)
        .and_then(TryInto::try_into)
        .map_err(|error: BackendError| error.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What a thread of Rust needs to compute: memory, locks, a clock, other threads, and the two descriptors it has. No
/// descriptor can be made and none that was inherited can be used, whatever the process that started us left open.
fn allowed() -> Result<Rules, BackendError> {
    let mut rules: Rules = FREE.iter().map(|number| (*number, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let mut only = |number: i64, ways: Vec<Vec<SeccompCondition>>| -> Result<(), BackendError> {
        let ways = ways.into_iter().map(SeccompRule::new).collect::<Result<_, _>>()?;
        rules.insert(number, ways);
        Ok(())
    };
    only(libc::SYS_read, vec![vec![is(0, SOCKET)?]])?;
    only(libc::SYS_write, vec![vec![is(0, SOCKET)?], vec![is(0, STDERR)?]])?;
    // Memory that is nobody's file and is never run.
    only(libc::SYS_mmap, vec![vec![without(2, libc::PROT_EXEC)?, is(4, NOTHING)?]])?;
    only(libc::SYS_mprotect, vec![vec![without(2, libc::PROT_EXEC)?]])?;
    // A thread of this process and no process of its own.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    only(libc::SYS_clone, vec![vec![condition(0, SeccompCmpOp::MaskedEq(thread), thread)?]])?;
    // Aborting is a signal to oneself.
    only(libc::SYS_tgkill, vec![vec![is(0, own)?]])?;
    only(libc::SYS_prctl, vec![vec![is(0, u64::from(libc::PR_SET_NAME.cast_unsigned()))?]])?;
    Ok(rules)
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn without(argument: u8, bits: i32) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(u64::from(bits.cast_unsigned())), 0)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

const SOCKET: u64 = 0;
const STDERR: u64 = 2;
/// The descriptor -1, in the 32 bits that the kernel looks at.
const NOTHING: u64 = 0xffff_ffff;

/// Allowed whatever their arguments are: none of these names a file, a process or an address elsewhere.
const FREE: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
];

/// These fail as on a kernel that does not have them. The C library starts threads with `clone3`, whose flags a filter
/// cannot see, and falls back to `clone`; its allocator would like to read a setting from `/proc` and does without.
const FAILING: &[i64] = &[
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
];
