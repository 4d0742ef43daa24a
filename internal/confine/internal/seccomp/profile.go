// Package seccomp turns the sandbox's profile into the program that the kernel runs before each of its system calls.
//
// It is used when enilab is built and tested, not when it runs: the tables of system calls behind it take 0.35 ms to
// initialise, which every cold start would pay. The sandbox carries the finished programs; its tests compare them.
package seccomp

import seccomp "github.com/elastic/go-seccomp-bpf"

// Three answers: what is listed in allowed runs, what is listed in refused fails with EPERM, and everything else, the
// system calls that are yet to be invented included, does not exist (ENOSYS), so that libraries fall back.
//
// The list follows Docker's default profile, without what that grants to containers with capabilities, and without
// ptrace, process_vm_readv and io_uring.

// allowed system calls; conditions refuse some arguments of a few of them. Names that an architecture lacks are
// skipped there: newfstatat is fstatat on arm64.
var allowed = []string{
	// files and directories
	"access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
	"faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
	"fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync",
	"fstatat", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "ioctl", "lchown", "lgetxattr", "link", "linkat", "listxattr", "llistxattr",
	"lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat", "mknod", "mknodat", "name_to_handle_at", "newfstatat",
	"open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead",
	"readlink", "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr",
	"splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate",
	"umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev",
	// memory
	"brk", "cachestat", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
	"mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
	"remap_file_pages",
	// processes, threads and their attributes
	"alarm", "arch_prctl", "capget", "capset", "clone", "execve", "execveat", "exit", "exit_group", "fork", "futex",
	"futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getcpu", "getegid",
	"geteuid", "getgid", "getgroups", "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid",
	"getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "ioprio_get", "ioprio_set", "kill",
	"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "personality", "pidfd_open",
	"pidfd_send_signal", "prctl", "prlimit64", "restart_syscall", "rseq", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
	"sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield",
	"seccomp", "set_robust_list", "set_thread_area", "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups",
	"setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid", "setuid",
	"sysinfo", "tgkill", "time", "times", "tkill", "uname", "vfork", "wait4", "waitid",
	// signals, timers, clocks, randomness
	"clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep", "pause", "rt_sigaction",
	"rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_tgsigqueueinfo", "sigaltstack", "signalfd", "signalfd4", "timer_create", "timer_delete", "timer_getoverrun",
	"timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime",
	// waiting and asynchronous input and output
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2",
	"io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit", "pipe", "pipe2", "poll", "ppoll",
	"pselect6", "select",
	// sockets and System V and POSIX message passing, which the environment's namespaces keep inside
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "mq_getsetattr",
	"mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
	"recvfrom", "recvmmsg", "recvmsg", "semctl", "semget", "semop", "semtimedop", "sendmmsg", "sendmsg", "sendto",
	"setsockopt", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "socket", "socketpair",
}

// refused system calls: known, and not for a function.
var refused = []string{
	"acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_mempolicy", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
	"lookup_dcookie", "mbind", "migrate_pages", "modify_ldt", "mount", "mount_setattr", "move_mount", "move_pages",
	"open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise",
	"process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key",
	"set_mempolicy", "setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2",
	"unshare", "uselib", "userfaultfd", "vhangup",
}

const (
	newNamespaces = 0x7e020000 // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
	afUnix        = 1
	afInet        = 2
	afInet6       = 10
	afNetlink     = 16
	tiocsti       = 0x5412 // types into the terminal, as if its user did
	tioclinux     = 0x541c
)

// condition refuses an allowed call if any of a list of argument conditions holds, each of which needs all its parts.
// They are written as refusals, so that the search in the lists follows when none of them holds.
type condition struct {
	name  string
	anyOf []seccomp.ArgumentConditions
}

var conditions = []condition{
	{"clone", []seccomp.ArgumentConditions{anyBit(0, newNamespaces)}},
	// Unlike the other conditions this compares 32 bits: the kernel ignores the upper half of an ioctl's number, and
	// a C library may have extended its sign into it.
	{"ioctl", []seccomp.ArgumentConditions{low32(1, tiocsti), low32(1, tioclinux)}},
	// As Docker: Linux, with 32-bit or UNAME26 variants, and the query.
	{"personality", []seccomp.ArgumentConditions{noneOf(0, 0, 0x8, 0x20000, 0x20008, 0xffffffff)}},
	{"socketpair", []seccomp.ArgumentConditions{noneOf(0, afUnix)}},
	// Sockets: UNIX, TCP and UDP, and netlink for routes, which getaddrinfo and Go's net.Interfaces ask. Neither raw (type
	// 3), nor packet (10 in any family), nor SCTP (5), nor DCCP (6).
	{"socket", []seccomp.ArgumentConditions{
		noneOf(0, afUnix, afInet, afInet6, afNetlink),
		all(family(afNetlink), noneOf(2, 0)),
		all(family(afInet), anyBit(1, 4|8)),
		all(family(afInet), anyBit(1, 1), anyBit(1, 2)),
		all(family(afInet), noneOf(2, 0, 6, 17)),
		all(family(afInet6), anyBit(1, 4|8)),
		all(family(afInet6), anyBit(1, 1), anyBit(1, 2)),
		all(family(afInet6), noneOf(2, 0, 6, 17)),
	}},
}

func all(cs ...seccomp.ArgumentConditions) (joined seccomp.ArgumentConditions) {
	for _, c := range cs {
		joined = append(joined, c...)
	}
	return joined
}

func family(v uint64) seccomp.ArgumentConditions {
	return seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: v}}
}

func anyBit(arg uint32, mask uint64) seccomp.ArgumentConditions {
	return seccomp.ArgumentConditions{{Argument: arg, Operation: seccomp.BitsSet, Value: mask}}
}

func noneOf(arg uint32, values ...uint64) (cs seccomp.ArgumentConditions) {
	for _, v := range values {
		cs = append(cs, seccomp.Condition{Argument: arg, Operation: seccomp.NotEqual, Value: v})
	}
	return cs
}

// low32 holds if the lower half of the argument is v: each bit of v is set, and no other.
func low32(arg, v uint32) (cs seccomp.ArgumentConditions) {
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if v&bit != 0 {
			cs = append(cs, anyBit(arg, uint64(bit))...)
		}
	}
	return append(cs, seccomp.Condition{Argument: arg, Operation: seccomp.BitsNotSet, Value: uint64(^v)})
}
