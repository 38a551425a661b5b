//! System calls by name and number, for each architecture.
//!
//! Source: the kernel's own tables, Linux 6.18: arch/x86/entry/syscalls/syscall_64.tbl and
//! syscall_32.tbl and, for aarch64, scripts/syscall.tbl. A `-` stands where an architecture has no
//! such call.

use super::Arch;

/// One system call: its name, and its numbers on x86_64, aarch64 and 32-bit x86.
#[derive(Debug)]
pub(super) struct Call {
    name: &'static str,
    x86_64: Option<u32>,
    aarch64: Option<u32>,
    x86: Option<u32>,
}

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

macro_rules! calls {
    ($($name:ident $x86_64:tt $aarch64:tt $x86:tt)*) => {
        &[$(Call {
            name: stringify!($name),
            x86_64: number!($x86_64),
            aarch64: number!($aarch64),
            x86: number!($x86),
        },)*]
    };
}

/// Where a name is in [`CALLS`], plus one, by what [`hash`] makes of it; a place that is taken
/// already leads on to the next one, and zero ends the way. A profile has some four hundred names,
/// and each start looks for all of them.
static PLACES: [u16; SLOTS] = {
    let mut places = [0; SLOTS];
    let mut number = 0;
    while number < CALLS.len() {
        let mut slot = hash(CALLS[number].name.as_bytes());
        while places[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        number += 1;
        places[slot] = number as u16;
    }
    places
};

/// More than twice as many as there are calls: most ways are one step long.
const SLOTS: usize = 1024;

/// FNV-1a, folded to a place. Source: the IETF's draft-eastlake-fnv.
const fn hash(name: &[u8]) -> usize {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ hash >> 16) as usize % SLOTS
}

/// The call of this name.
fn named(name: &str) -> Option<&'static Call> {
    let mut slot = hash(name.as_bytes());
    loop {
        let call = &CALLS[usize::from(PLACES[slot]).checked_sub(1)?];
        if call.name == name {
            return Some(call);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The number of a call on an architecture.
///
/// # Errors
/// [`NoNumber::Elsewhere`] for a call of another architecture, [`NoNumber::Unknown`] for a name
/// that is no system call.
pub(super) fn number(name: &str, arch: Arch) -> Result<u32, NoNumber> {
    call(name)?.number(arch).ok_or(NoNumber::Elsewhere)
}

/// The call of this name, on whichever architecture.
///
/// # Errors
/// As [`number`].
pub(super) fn call(name: &str) -> Result<&'static Call, NoNumber> {
    named(name).ok_or_else(|| {
        if ELSEWHERE.binary_search(&name).is_ok() { NoNumber::Elsewhere } else { NoNumber::Unknown }
    })
}

impl Call {
    /// Its number on an architecture that has it.
    pub(super) fn number(&self, arch: Arch) -> Option<u32> {
        match arch {
            Arch::X86_64 => self.x86_64,
            Arch::Aarch64 => self.aarch64,
            Arch::X86 => self.x86,
        }
    }
}

/// The highest number in the table, the same on all architectures since Linux 5.1. What lies
/// above it came after this table was made.
pub(super) const NEWEST: u32 = 469;

/// The call whose name is spelt most like `name`, where one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    let alike = |call: &Call| strsim::jaro_winkler(call.name, name);
    let best = CALLS.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) >= 0.9).then_some(best.name)
}

/// Why a name has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoNumber {
    /// It is a call of another architecture.
    Elsewhere,
    /// It is no call at all, or one that is newer than the table.
    Unknown,
}

/// All names that have a number on `arch`.
pub(super) fn all(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    CALLS.iter().filter_map(move |call| Some((call.name, number(call.name, arch).ok()?)))
}

/// Calls that profiles name and that none of these architectures has, `syscall` (MIPS) and
/// `timerfd` (before 2.6.25) among them. Sorted by name.
#[rustfmt::skip]
const ELSEWHERE: &[&str] = &[
    "arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush", "get_tls",
    "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "recv", "riscv_flush_icache",
    "riscv_hwprobe", "rtas", "s390_guarded_storage", "s390_pci_mmio_read", "s390_pci_mmio_write",
    "s390_runtime_instr", "s390_sthyi", "send", "set_tls", "spu_create", "spu_run",
    "subpage_prot", "swapcontext", "switch_endian", "sync_file_range2", "sys_debug_setcontext",
    "syscall", "timerfd", "usr26", "usr32",
];

/// Sorted by name.
#[rustfmt::skip]
const CALLS: &[Call] = calls! {
    _llseek - - 140
    _newselect - - 142
    _sysctl 156 - 149
    accept 43 202 -
    accept4 288 242 364
    access 21 - 33
    acct 163 89 51
    add_key 248 217 286
    adjtimex 159 171 124
    afs_syscall 183 - 137
    alarm 37 - 27
    arch_prctl 158 - 384
    bdflush - - 134
    bind 49 200 361
    bpf 321 280 357
    break - - 17
    brk 12 214 45
    cachestat 451 451 451
    capget 125 90 184
    capset 126 91 185
    chdir 80 49 12
    chmod 90 - 15
    chown 92 - 182
    chown32 - - 212
    chroot 161 51 61
    clock_adjtime 305 266 343
    clock_adjtime64 - - 405
    clock_getres 229 114 266
    clock_getres_time64 - - 406
    clock_gettime 228 113 265
    clock_gettime64 - - 403
    clock_nanosleep 230 115 267
    clock_nanosleep_time64 - - 407
    clock_settime 227 112 264
    clock_settime64 - - 404
    clone 56 220 120
    clone3 435 435 435
    close 3 57 6
    close_range 436 436 436
    connect 42 203 362
    copy_file_range 326 285 377
    creat 85 - 8
    create_module 174 - 127
    delete_module 176 106 129
    dup 32 23 41
    dup2 33 - 63
    dup3 292 24 330
    epoll_create 213 - 254
    epoll_create1 291 20 329
    epoll_ctl 233 21 255
    epoll_ctl_old 214 - -
    epoll_pwait 281 22 319
    epoll_pwait2 441 441 441
    epoll_wait 232 - 256
    epoll_wait_old 215 - -
    eventfd 284 - 323
    eventfd2 290 19 328
    execve 59 221 11
    execveat 322 281 358
    exit 60 93 1
    exit_group 231 94 252
    faccessat 269 48 307
    faccessat2 439 439 439
    fadvise64 221 223 250
    fadvise64_64 - - 272
    fallocate 285 47 324
    fanotify_init 300 262 338
    fanotify_mark 301 263 339
    fchdir 81 50 133
    fchmod 91 52 94
    fchmodat 268 53 306
    fchmodat2 452 452 452
    fchown 93 55 95
    fchown32 - - 207
    fchownat 260 54 298
    fcntl 72 25 55
    fcntl64 - - 221
    fdatasync 75 83 148
    fgetxattr 193 10 231
    file_getattr 468 468 468
    file_setattr 469 469 469
    finit_module 313 273 350
    flistxattr 196 13 234
    flock 73 32 143
    fork 57 - 2
    fremovexattr 199 16 237
    fsconfig 431 431 431
    fsetxattr 190 7 228
    fsmount 432 432 432
    fsopen 430 430 430
    fspick 433 433 433
    fstat 5 80 108
    fstat64 - - 197
    fstatat64 - - 300
    fstatfs 138 44 100
    fstatfs64 - - 269
    fsync 74 82 118
    ftime - - 35
    ftruncate 77 46 93
    ftruncate64 - - 194
    futex 202 98 240
    futex_requeue 456 456 456
    futex_time64 - - 422
    futex_wait 455 455 455
    futex_waitv 449 449 449
    futex_wake 454 454 454
    futimesat 261 - 299
    get_kernel_syms 177 - 130
    get_mempolicy 239 236 275
    get_robust_list 274 100 312
    get_thread_area 211 - 244
    getcpu 309 168 318
    getcwd 79 17 183
    getdents 78 - 141
    getdents64 217 61 220
    getegid 108 177 50
    getegid32 - - 202
    geteuid 107 175 49
    geteuid32 - - 201
    getgid 104 176 47
    getgid32 - - 200
    getgroups 115 158 80
    getgroups32 - - 205
    getitimer 36 102 105
    getpeername 52 205 368
    getpgid 121 155 132
    getpgrp 111 - 65
    getpid 39 172 20
    getpmsg 181 - 188
    getppid 110 173 64
    getpriority 140 141 96
    getrandom 318 278 355
    getresgid 120 150 171
    getresgid32 - - 211
    getresuid 118 148 165
    getresuid32 - - 209
    getrlimit 97 163 76
    getrusage 98 165 77
    getsid 124 156 147
    getsockname 51 204 367
    getsockopt 55 209 365
    gettid 186 178 224
    gettimeofday 96 169 78
    getuid 102 174 24
    getuid32 - - 199
    getxattr 191 8 229
    getxattrat 464 464 464
    gtty - - 32
    idle - - 112
    init_module 175 105 128
    inotify_add_watch 254 27 292
    inotify_init 253 - 291
    inotify_init1 294 26 332
    inotify_rm_watch 255 28 293
    io_cancel 210 3 249
    io_destroy 207 1 246
    io_getevents 208 4 247
    io_pgetevents 333 292 385
    io_pgetevents_time64 - - 416
    io_setup 206 0 245
    io_submit 209 2 248
    io_uring_enter 426 426 426
    io_uring_register 427 427 427
    io_uring_setup 425 425 425
    ioctl 16 29 54
    ioperm 173 - 101
    iopl 172 - 110
    ioprio_get 252 31 290
    ioprio_set 251 30 289
    ipc - - 117
    kcmp 312 272 349
    kexec_file_load 320 294 -
    kexec_load 246 104 283
    keyctl 250 219 288
    kill 62 129 37
    landlock_add_rule 445 445 445
    landlock_create_ruleset 444 444 444
    landlock_restrict_self 446 446 446
    lchown 94 - 16
    lchown32 - - 198
    lgetxattr 192 9 230
    link 86 - 9
    linkat 265 37 303
    listen 50 201 363
    listmount 458 458 458
    listxattr 194 11 232
    listxattrat 465 465 465
    llistxattr 195 12 233
    lock - - 53
    lookup_dcookie 212 18 253
    lremovexattr 198 15 236
    lseek 8 62 19
    lsetxattr 189 6 227
    lsm_get_self_attr 459 459 459
    lsm_list_modules 461 461 461
    lsm_set_self_attr 460 460 460
    lstat 6 - 107
    lstat64 - - 196
    madvise 28 233 219
    map_shadow_stack 453 453 453
    mbind 237 235 274
    membarrier 324 283 375
    memfd_create 319 279 356
    memfd_secret 447 447 447
    migrate_pages 256 238 294
    mincore 27 232 218
    mkdir 83 - 39
    mkdirat 258 34 296
    mknod 133 - 14
    mknodat 259 33 297
    mlock 149 228 150
    mlock2 325 284 376
    mlockall 151 230 152
    mmap 9 222 90
    mmap2 - - 192
    modify_ldt 154 - 123
    mount 165 40 21
    mount_setattr 442 442 442
    move_mount 429 429 429
    move_pages 279 239 317
    mprotect 10 226 125
    mpx - - 56
    mq_getsetattr 245 185 282
    mq_notify 244 184 281
    mq_open 240 180 277
    mq_timedreceive 243 183 280
    mq_timedreceive_time64 - - 419
    mq_timedsend 242 182 279
    mq_timedsend_time64 - - 418
    mq_unlink 241 181 278
    mremap 25 216 163
    mseal 462 462 462
    msgctl 71 187 402
    msgget 68 186 399
    msgrcv 70 188 401
    msgsnd 69 189 400
    msync 26 227 144
    munlock 150 229 151
    munlockall 152 231 153
    munmap 11 215 91
    name_to_handle_at 303 264 341
    nanosleep 35 101 162
    newfstatat 262 79 -
    nfsservctl 180 42 169
    nice - - 34
    oldfstat - - 28
    oldlstat - - 84
    oldolduname - - 59
    oldstat - - 18
    olduname - - 109
    open 2 - 5
    open_by_handle_at 304 265 342
    open_tree 428 428 428
    open_tree_attr 467 467 467
    openat 257 56 295
    openat2 437 437 437
    pause 34 - 29
    perf_event_open 298 241 336
    personality 135 92 136
    pidfd_getfd 438 438 438
    pidfd_open 434 434 434
    pidfd_send_signal 424 424 424
    pipe 22 - 42
    pipe2 293 59 331
    pivot_root 155 41 217
    pkey_alloc 330 289 381
    pkey_free 331 290 382
    pkey_mprotect 329 288 380
    poll 7 - 168
    ppoll 271 73 309
    ppoll_time64 - - 414
    prctl 157 167 172
    pread64 17 67 180
    preadv 295 69 333
    preadv2 327 286 378
    prlimit64 302 261 340
    process_madvise 440 440 440
    process_mrelease 448 448 448
    process_vm_readv 310 270 347
    process_vm_writev 311 271 348
    prof - - 44
    profil - - 98
    pselect6 270 72 308
    pselect6_time64 - - 413
    ptrace 101 117 26
    putpmsg 182 - 189
    pwrite64 18 68 181
    pwritev 296 70 334
    pwritev2 328 287 379
    query_module 178 - 167
    quotactl 179 60 131
    quotactl_fd 443 443 443
    read 0 63 3
    readahead 187 213 225
    readdir - - 89
    readlink 89 - 85
    readlinkat 267 78 305
    readv 19 65 145
    reboot 169 142 88
    recvfrom 45 207 371
    recvmmsg 299 243 337
    recvmmsg_time64 - - 417
    recvmsg 47 212 372
    remap_file_pages 216 234 257
    removexattr 197 14 235
    removexattrat 466 466 466
    rename 82 - 38
    renameat 264 38 302
    renameat2 316 276 353
    request_key 249 218 287
    restart_syscall 219 128 0
    rmdir 84 - 40
    rseq 334 293 386
    rt_sigaction 13 134 174
    rt_sigpending 127 136 176
    rt_sigprocmask 14 135 175
    rt_sigqueueinfo 129 138 178
    rt_sigreturn 15 139 173
    rt_sigsuspend 130 133 179
    rt_sigtimedwait 128 137 177
    rt_sigtimedwait_time64 - - 421
    rt_tgsigqueueinfo 297 240 335
    sched_get_priority_max 146 125 159
    sched_get_priority_min 147 126 160
    sched_getaffinity 204 123 242
    sched_getattr 315 275 352
    sched_getparam 143 121 155
    sched_getscheduler 145 120 157
    sched_rr_get_interval 148 127 161
    sched_rr_get_interval_time64 - - 423
    sched_setaffinity 203 122 241
    sched_setattr 314 274 351
    sched_setparam 142 118 154
    sched_setscheduler 144 119 156
    sched_yield 24 124 158
    seccomp 317 277 354
    security 185 - -
    select 23 - 82
    semctl 66 191 394
    semget 64 190 393
    semop 65 193 -
    semtimedop 220 192 -
    semtimedop_time64 - - 420
    sendfile 40 71 187
    sendfile64 - - 239
    sendmmsg 307 269 345
    sendmsg 46 211 370
    sendto 44 206 369
    set_mempolicy 238 237 276
    set_mempolicy_home_node 450 450 450
    set_robust_list 273 99 311
    set_thread_area 205 - 243
    set_tid_address 218 96 258
    setdomainname 171 162 121
    setfsgid 123 152 139
    setfsgid32 - - 216
    setfsuid 122 151 138
    setfsuid32 - - 215
    setgid 106 144 46
    setgid32 - - 214
    setgroups 116 159 81
    setgroups32 - - 206
    sethostname 170 161 74
    setitimer 38 103 104
    setns 308 268 346
    setpgid 109 154 57
    setpriority 141 140 97
    setregid 114 143 71
    setregid32 - - 204
    setresgid 119 149 170
    setresgid32 - - 210
    setresuid 117 147 164
    setresuid32 - - 208
    setreuid 113 145 70
    setreuid32 - - 203
    setrlimit 160 164 75
    setsid 112 157 66
    setsockopt 54 208 366
    settimeofday 164 170 79
    setuid 105 146 23
    setuid32 - - 213
    setxattr 188 5 226
    setxattrat 463 463 463
    sgetmask - - 68
    shmat 30 196 397
    shmctl 31 195 396
    shmdt 67 197 398
    shmget 29 194 395
    shutdown 48 210 373
    sigaction - - 67
    sigaltstack 131 132 186
    signal - - 48
    signalfd 282 - 321
    signalfd4 289 74 327
    sigpending - - 73
    sigprocmask - - 126
    sigreturn - - 119
    sigsuspend - - 72
    socket 41 198 359
    socketcall - - 102
    socketpair 53 199 360
    splice 275 76 313
    ssetmask - - 69
    stat 4 - 106
    stat64 - - 195
    statfs 137 43 99
    statfs64 - - 268
    statmount 457 457 457
    statx 332 291 383
    stime - - 25
    stty - - 31
    swapoff 168 225 115
    swapon 167 224 87
    symlink 88 - 83
    symlinkat 266 36 304
    sync 162 81 36
    sync_file_range 277 84 314
    syncfs 306 267 344
    sysfs 139 - 135
    sysinfo 99 179 116
    syslog 103 116 103
    tee 276 77 315
    tgkill 234 131 270
    time 201 - 13
    timer_create 222 107 259
    timer_delete 226 111 263
    timer_getoverrun 225 109 262
    timer_gettime 224 108 261
    timer_gettime64 - - 408
    timer_settime 223 110 260
    timer_settime64 - - 409
    timerfd_create 283 85 322
    timerfd_gettime 287 87 326
    timerfd_gettime64 - - 410
    timerfd_settime 286 86 325
    timerfd_settime64 - - 411
    times 100 153 43
    tkill 200 130 238
    truncate 76 45 92
    truncate64 - - 193
    tuxcall 184 - -
    ugetrlimit - - 191
    ulimit - - 58
    umask 95 166 60
    umount - - 22
    umount2 166 39 52
    uname 63 160 122
    unlink 87 - 10
    unlinkat 263 35 301
    unshare 272 97 310
    uretprobe 335 - -
    uselib 134 - 86
    userfaultfd 323 282 374
    ustat 136 - 62
    utime 132 - 30
    utimensat 280 88 320
    utimensat_time64 - - 412
    utimes 235 - 271
    vfork 58 - 190
    vhangup 153 58 111
    vm86 - - 166
    vm86old - - 113
    vmsplice 278 75 316
    vserver 236 - 273
    wait4 61 260 114
    waitid 247 95 284
    waitpid - - 7
    write 1 64 4
    writev 20 66 146
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_number_twice() {
        assert!(CALLS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(ELSEWHERE.is_sorted());
        for arch in [Arch::X86_64, Arch::Aarch64, Arch::X86] {
            let mut numbers: Vec<u32> = all(arch).map(|(_, number)| number).collect();
            assert_eq!(numbers.iter().max(), Some(&NEWEST));
            numbers.sort_unstable();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn numbers_are_those_of_the_headers() {
        assert_eq!(number("execve", Arch::X86_64), Ok(59));
        assert_eq!(number("execve", Arch::Aarch64), Ok(221));
        assert_eq!(number("open", Arch::Aarch64), Err(NoNumber::Elsewhere));
        assert_eq!(number("socketcall", Arch::X86_64), Err(NoNumber::Elsewhere));
        assert_eq!(number("socketcall", Arch::X86), Ok(102));
        assert_eq!(number("execve", Arch::X86), Ok(11));
        assert_eq!(number("file_setattr", Arch::X86), Ok(469));
        assert_eq!(number("execv", Arch::X86_64), Err(NoNumber::Unknown));
    }

    #[test]
    fn elsewhere_is_nowhere_in_the_table() {
        assert!(ELSEWHERE.iter().all(|name| CALLS.iter().all(|call| call.name != *name)));
    }
}
