/* The floor under `coffer run`: the kernel work of starting a fenced process, and nothing else.
 *
 * No JSON, no store, no record on disk, no checks: one clone3 with seven namespaces, id maps, an
 * overlay with idmapped layers, a fresh /proc, /dev and /sys, masks, pivot_root, capabilities,
 * a seccomp program of the size that coffer's has, exec, wait. It is a yardstick for
 * `cargo xtask bench` and must never be used to run anything that is not trusted.
 *
 * With - for the work folder it does the kernel's work for a bundle: no user namespace and no
 * overlay, the root is LOWER itself, devices are made, there is a control group with a filter of
 * devices, a session keyring, and the loopback interface is up.
 *
 * usage: floor-run LOWER WORK-FOLDER|- PROGRAM [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(call) check((long)(call), #call)
#define HOST_ID "1879048192"
#define RANGES 40

static int bundle;

static long check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "floor-run: %s: %s\n", what, strerror(errno));
        _exit(125);
    }
    return result;
}

static int fs_open(const char *type) { return CHECK(syscall(SYS_fsopen, type, 1)); }
static void fs_string(int fs, const char *key, const char *value) {
    CHECK(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}
static int fs_mount(int fs, unsigned attributes) {
    CHECK(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int mount = CHECK(syscall(SYS_fsmount, fs, 1, attributes));
    close(fs);
    return mount;
}
static void attach(int mount, int dir, const char *path) {
    CHECK(syscall(SYS_move_mount, mount, "", dir, path, MOVE_MOUNT_F_EMPTY_PATH));
    close(mount);
}

static void write_file(const char *path, const char *text) {
    int fd = CHECK(open(path, O_WRONLY | O_CLOEXEC));
    CHECK(write(fd, text, strlen(text)));
    close(fd);
}

static void write_map(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    write_file(path, "0 " HOST_ID " 65536");
}

/* A detached clone of `path` whose ids are shifted by the map of `userns`. */
static int shifted(const char *path, int userns) {
    int tree = CHECK(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = userns};
    CHECK(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr));
    return tree;
}

static int overlay(const char *lower, const char *work_folder, pid_t child) {
    char path[4096];
    snprintf(path, sizeof path, "/proc/%d/ns/user", child);
    int userns = CHECK(open(path, O_RDONLY | O_CLOEXEC));
    int lower_tree = shifted(lower, userns), upper_tree = shifted(work_folder, userns);
    int upper = CHECK(openat(upper_tree, "upper", O_PATH | O_CLOEXEC));
    int work = CHECK(openat(upper_tree, "work", O_PATH | O_CLOEXEC));
    int fs = fs_open("overlay");
    CHECK(syscall(SYS_fsconfig, fs, 5 /* FSCONFIG_SET_FD */, "lowerdir+", NULL, lower_tree));
    CHECK(syscall(SYS_fsconfig, fs, 5, "upperdir", NULL, upper));
    CHECK(syscall(SYS_fsconfig, fs, 5, "workdir", NULL, work));
    /* overlayfs makes its work folder with the ids of whoever mounts it, which must be in the map. */
    CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
    setfsgid(atoi(HOST_ID));
    setfsuid(atoi(HOST_ID));
    int mount = fs_mount(fs, MOUNT_ATTR_NODEV);
    setfsuid(0);
    setfsgid(0);
    return mount;
}

static void send_fd(int socket, int fd) {
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(sendmsg(socket, &message, 0));
}

static int receive_fd(int socket) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(socket, &message, MSG_CMSG_CLOEXEC));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header) { errno = EPIPE; check(-1, "no overlay came"); }
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void make_dev(int root) {
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const int minors[] = {3, 5, 7, 8, 9, 0};
    mkdirat(root, "dev", 0755);
    int fs = fs_open("tmpfs");
    fs_string(fs, "mode", "755");
    int dev = fs_mount(fs, MOUNT_ATTR_NOSUID);
    for (size_t i = 0; bundle && i < sizeof nodes / sizeof *nodes; i++) {
        CHECK(mknodat(dev, nodes[i], S_IFCHR | 0666, i == 5 ? makedev(5, 0) : makedev(1, minors[i])));
    }
    for (size_t i = 0; !bundle && i < sizeof nodes / sizeof *nodes; i++) {
        close(CHECK(openat(dev, nodes[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0666)));
    }
    for (const char *const *d = (const char *const[]){"pts", "shm", "mqueue", NULL}; *d; d++) CHECK(mkdirat(dev, *d, 0755));
    CHECK(symlinkat("pts/ptmx", dev, "ptmx"));
    CHECK(symlinkat("/proc/self/fd", dev, "fd"));
    CHECK(symlinkat("/proc/self/fd/0", dev, "stdin"));
    CHECK(symlinkat("/proc/self/fd/1", dev, "stdout"));
    CHECK(symlinkat("/proc/self/fd/2", dev, "stderr"));
    CHECK(syscall(SYS_move_mount, dev, "", root, "dev", MOVE_MOUNT_F_EMPTY_PATH));
    for (size_t i = 0; !bundle && i < sizeof nodes / sizeof *nodes; i++) {
        char source[32];
        snprintf(source, sizeof source, "/dev/%s", nodes[i]);
        attach(CHECK(syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)), dev, nodes[i]);
    }
    fs = fs_open("devpts");
    fs_string(fs, "ptmxmode", "0666");
    attach(fs_mount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), dev, "pts");
    fs = fs_open("tmpfs");
    fs_string(fs, "size", "67108864");
    attach(fs_mount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), dev, "shm");
    attach(fs_mount(fs_open("mqueue"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), dev, "mqueue");
    close(dev);
}

static void make_proc_and_sys(int root) {
    static const char *const masked_files[] = {"kcore", "keys", "timer_list", "sched_debug", "interrupts"};
    static const char *const masked_folders[] = {"acpi", "asound", "scsi"};
    static const char *const read_only[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};
    mkdirat(root, "proc", 0755);
    mkdirat(root, "sys", 0755);
    unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int proc = fs_mount(fs_open("proc"), attributes);
    CHECK(syscall(SYS_move_mount, proc, "", root, "proc", MOVE_MOUNT_F_EMPTY_PATH));
    attach(fs_mount(fs_open("sysfs"), attributes | MOUNT_ATTR_RDONLY), root, "sys");
    for (size_t i = 0; i < sizeof masked_files / sizeof *masked_files; i++) {
        int null = CHECK(syscall(SYS_open_tree, root, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
        if (syscall(SYS_move_mount, null, "", proc, masked_files[i], MOVE_MOUNT_F_EMPTY_PATH) < 0 && errno != ENOENT) check(-1, "mask");
        close(null);
    }
    int empty = fs_mount(fs_open("tmpfs"), attributes | MOUNT_ATTR_RDONLY);
    for (size_t i = 0; i < sizeof masked_folders / sizeof *masked_folders; i++) {
        int copy = CHECK(syscall(SYS_open_tree, empty, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
        if (syscall(SYS_move_mount, copy, "", proc, masked_folders[i], MOVE_MOUNT_F_EMPTY_PATH) < 0 && errno != ENOENT) check(-1, "mask");
        close(copy);
    }
    close(empty);
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
        int tree = syscall(SYS_open_tree, proc, read_only[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0) continue;
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | attributes};
        CHECK(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr));
        attach(tree, proc, read_only[i]);
    }
    close(proc);
}

/* As many comparisons as a search over RANGES ranges has, with every call allowed at its end. */
static void load_seccomp(void) {
    static struct sock_filter code[16 + 4 * RANGES];
    unsigned n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < RANGES; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 600 + i * 2, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

/* Allows mknod, and any use of the eight nodes that every container has. */
static void filter_devices(int group) {
    static const unsigned nodes[] = {0x100003, 0x100005, 0x100007, 0x100008, 0x100009, 0x500000, 0x500002};
    enum { COUNT = sizeof nodes / sizeof *nodes };
    struct bpf_insn code[COUNT + 14] = {
        {BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0},   /* r2: use and kind */
        {BPF_LDX | BPF_MEM | BPF_W, 3, 1, 4, 0},   /* r3: major */
        {BPF_LDX | BPF_MEM | BPF_W, 4, 1, 8, 0},   /* r4: minor */
        {BPF_JMP32 | BPF_JEQ | BPF_K, 2, 0, COUNT + 8, BPF_DEVCG_ACC_MKNOD << 16 | BPF_DEVCG_DEV_CHAR},
        {BPF_JMP32 | BPF_JEQ | BPF_K, 2, 0, COUNT + 7, BPF_DEVCG_ACC_MKNOD << 16 | BPF_DEVCG_DEV_BLOCK},
        {BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff},
        {BPF_JMP32 | BPF_JNE | BPF_K, 2, 0, COUNT + 3, BPF_DEVCG_DEV_CHAR},
        {BPF_JMP32 | BPF_JEQ | BPF_K, 3, 0, COUNT + 4, 136},
        {BPF_ALU | BPF_LSH | BPF_K, 3, 0, 0, 20},
        {BPF_ALU | BPF_OR | BPF_X, 3, 4, 0, 0},
    };
    unsigned n = 10;
    for (unsigned i = 0; i < COUNT; i++) code[n++] = (struct bpf_insn){BPF_JMP32 | BPF_JEQ | BPF_K, 3, 0, COUNT - i + 1, nodes[i]};
    code[n++] = (struct bpf_insn){BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 0};
    code[n++] = (struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
    code[n++] = (struct bpf_insn){BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, 1};
    code[n++] = (struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insn_cnt = n, .insns = (uint64_t)(uintptr_t)code, .license = (uint64_t)(uintptr_t)"Apache-2.0"};
    int program = CHECK(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
    union bpf_attr attach = {.target_fd = group, .attach_bpf_fd = program, .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI};
    CHECK(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
    close(program);
}

static void raise_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int socket_ = CHECK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    CHECK(ioctl(socket_, SIOCSIFFLAGS, &request));
    close(socket_);
}

static void drop_capabilities(void) {
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (cap > 10) prctl(PR_CAPBSET_DROP, cap);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0x4fb, 0x4fb, 0}, {0, 0, 0}};
    CHECK(syscall(SYS_capset, &header, data));
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void child(int socket, const char *lower, char **argv) {
    int root_mount = bundle ? -1 : receive_fd(socket);
    CHECK(setresgid(0, 0, 0));
    CHECK(setresuid(0, 0, 0));
    if (bundle) root_mount = CHECK(syscall(SYS_open_tree, AT_FDCWD, lower, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    CHECK(syscall(SYS_move_mount, root_mount, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH));
    make_dev(root_mount);
    make_proc_and_sys(root_mount);
    CHECK(sethostname("floor", 5));
    if (bundle) {
        CHECK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "floor"));
        raise_loopback();
    }
    CHECK(fchdir(root_mount));
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(chdir("/"));
    CHECK(setsid());
    drop_capabilities();
    CHECK(syscall(SYS_close_range, 3, ~0u, 0));
    load_seccomp();
    execv(argv[0], argv);
    check(-1, argv[0]);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: floor-run LOWER WORK-FOLDER|- PROGRAM [ARGUMENT...]\n");
        return 125;
    }
    bundle = !strcmp(argv[2], "-");
    int sockets[2], pidfd = -1, group = -1;
    char group_path[64];
    snprintf(group_path, sizeof group_path, "/sys/fs/cgroup/floor-run-%d", getpid());
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    if (bundle) {
        CHECK(mkdir(group_path, 0755));
        group = CHECK(open(group_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        filter_devices(group);
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group;
    } else {
        args.flags |= CLONE_NEWUSER;
    }
    pid_t pid = CHECK(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) child(sockets[1], argv[1], argv + 3);
    if (!bundle) {
        write_map(pid, "uid_map");
        write_map(pid, "gid_map");
        send_fd(sockets[0], overlay(argv[1], argv[2], pid));
    }
    siginfo_t info;
    CHECK(waitid(P_PIDFD, pidfd, &info, WEXITED));
    if (bundle) CHECK(rmdir(group_path));
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
