package seccomp

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var arches = map[string]*arch.Info{"amd64": arch.X86_64, "arm64": arch.AARCH64}

const (
	allow = unix.SECCOMP_RET_ALLOW
	perm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	nosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// verdict runs a program in the BPF machine of x/net, which loads big-endian words: that keeps each of them in its place.
func verdict(t *testing.T, program []bpf.RawInstruction, audit uint32, number uint32, args ...uint64) uint32 {
	t.Helper()
	instructions, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("the program does not disassemble")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], number)
	binary.BigEndian.PutUint32(data[4:], audit)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	v, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

func program(t *testing.T, goarch string) []bpf.RawInstruction {
	t.Helper()
	p, err := Program(goarch)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every number gets the answer of its list, also when the arguments are numbers of allowed calls.
func TestEveryNumber(t *testing.T) {
	for goarch, info := range arches {
		p := program(t, goarch)
		conditional := map[string]bool{"clone": true, "ioctl": true, "personality": true, "socket": true, "socketpair": true}
		for number := range uint32(1024) {
			name := info.SyscallNumbers[int(number)]
			want := nosys
			switch {
			case conditional[name]:
				continue // TestArguments
			case slices.Contains(allowed, name):
				want = allow
			case slices.Contains(refused, name):
				want = perm
			}
			for _, args := range [][]uint64{{}, {1, 1, 1}, {^uint64(0), ^uint64(0), ^uint64(0)}} {
				if got := verdict(t, p, uint32(info.ID), number, args...); got != want {
					t.Errorf("%s %d %s%v = %#x, want %#x", goarch, number, name, args, got, want)
				}
			}
		}
	}
}

// arm64 lacks calls of amd64's only where it has a newer one for them, under a name that is allowed, too. A name in the
// lists that no architecture has is a mistake.
func TestEveryArchitectureHasTheCallOrItsSuccessor(t *testing.T) {
	successors := map[string]string{
		"access": "faccessat", "alarm": "setitimer", "arch_prctl": "prctl", "chmod": "fchmodat", "chown": "fchownat", "creat": "openat",
		"dup2": "dup3", "epoll_create": "epoll_create1", "epoll_wait": "epoll_pwait", "eventfd": "eventfd2", "fork": "clone",
		"futimesat": "utimensat", "get_thread_area": "prctl", "getdents": "getdents64", "getpgrp": "getpgid", "inotify_init": "inotify_init1",
		"lchown": "fchownat", "link": "linkat", "lstat": "fstatat", "mkdir": "mkdirat", "mknod": "mknodat", "newfstatat": "fstatat",
		"open": "openat", "pause": "ppoll", "pipe": "pipe2", "poll": "ppoll", "readlink": "readlinkat", "rename": "renameat",
		"rmdir": "unlinkat", "select": "pselect6", "set_thread_area": "prctl", "signalfd": "signalfd4", "stat": "fstatat",
		"symlink": "symlinkat", "time": "gettimeofday", "unlink": "unlinkat", "utime": "utimensat", "utimes": "utimensat", "vfork": "clone",
	}
	for _, name := range allowed {
		_, amd64 := arch.X86_64.SyscallNames[name]
		_, arm64 := arch.AARCH64.SyscallNames[name]
		if amd64 && !arm64 {
			if n, ok := arch.AARCH64.SyscallNames[successors[name]]; !ok {
				t.Errorf("arm64 has no %s, and no %q in its place", name, successors[name])
			} else if got := verdict(t, program(t, "arm64"), uint32(arch.AARCH64.ID), uint32(n)); got != allow {
				t.Errorf("arm64 %s, in place of %s, is answered with %#x", successors[name], name, got)
			}
		}
	}
	for _, name := range slices.Concat(allowed, refused) {
		_, amd64 := arch.X86_64.SyscallNames[name]
		_, arm64 := arch.AARCH64.SyscallNames[name]
		if !amd64 && !arm64 {
			t.Errorf("no architecture has a system call %s", name)
		}
	}
}

func TestArguments(t *testing.T) {
	const any = 1 << 33 // an upper half that the kernel ignores must not hide what is refused
	for _, tt := range []struct {
		name string
		args []uint64
		want uint32
	}{
		{"clone", []uint64{uint64(unix.SIGCHLD)}, allow},
		{"clone", []uint64{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SETTLS}, allow},
		{"clone", []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, perm},
		{"clone", []uint64{any | unix.CLONE_NEWNS}, perm},
		{"clone", []uint64{unix.CLONE_NEWCGROUP}, perm},
		{"ioctl", []uint64{0, unix.TCGETS}, allow},
		{"ioctl", []uint64{0, 0xffffffff80045430}, allow}, // TIOCGPTN as musl passes it
		{"ioctl", []uint64{0, unix.TIOCSTI}, perm},
		{"ioctl", []uint64{0, any | unix.TIOCSTI}, perm},
		{"ioctl", []uint64{0, tioclinux}, perm},
		{"ioctl", []uint64{0, tiocsti | 1}, allow},
		{"personality", []uint64{0xffffffff}, allow},
		{"personality", []uint64{0}, allow},
		{"personality", []uint64{1}, perm}, // 1 is write(2) on amd64
		{"personality", []uint64{0x0040000}, perm},
		{"socketpair", []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, allow},
		{"socketpair", []uint64{unix.AF_INET, unix.SOCK_STREAM}, perm},
		{"socket", []uint64{unix.AF_UNIX, unix.SOCK_SEQPACKET}, allow},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, 0}, allow},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP}, allow},
		{"socket", []uint64{unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, allow},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW | unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE}, allow},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, perm},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, any}, perm},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, perm},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_RAW | unix.SOCK_CLOEXEC, unix.IPPROTO_TCP}, perm},
		{"socket", []uint64{unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6}, perm},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_PACKET, 0}, perm},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP}, perm},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, 262}, perm}, // MPTCP
		{"socket", []uint64{any | unix.AF_INET, unix.SOCK_STREAM, 0}, perm},
		{"socket", []uint64{unix.AF_PACKET, unix.SOCK_RAW, 0}, perm},
		{"socket", []uint64{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, perm},
		{"socket", []uint64{unix.AF_ALG, 5, 0}, perm},
	} {
		for goarch, info := range arches {
			p := program(t, goarch)
			if got := verdict(t, p, uint32(info.ID), uint32(info.SyscallNames[tt.name]), tt.args...); got != tt.want {
				t.Errorf("%s %s%#x = %#x, want %#x", goarch, tt.name, tt.args, got, tt.want)
			}
		}
	}
}

func TestForeignABIs(t *testing.T) {
	p := program(t, "amd64")
	if got := verdict(t, p, uint32(arch.I386.ID), 4); got != nosys {
		t.Errorf("i386 write = %#x", got)
	}
	if got := verdict(t, p, uint32(arch.X86_64.ID), 0x40000000|1); got != nosys {
		t.Errorf("x32 write = %#x", got)
	}
	if _, err := Program("riscv64"); err == nil {
		t.Error("made a program for an architecture without a profile")
	}
}

// A name in both lists, or one that no architecture knows, is a mistake in the profile.
func TestProfileIsConsistent(t *testing.T) {
	for _, name := range slices.Concat(allowed, refused) {
		if slices.Contains(allowed, name) && slices.Contains(refused, name) {
			t.Errorf("%s is both allowed and refused", name)
		}
		if _, ok := arch.X86_64.SyscallNames[name]; !ok {
			if _, ok := arch.AARCH64.SyscallNames[name]; !ok {
				t.Errorf("%s is no system call of amd64 or arm64", name)
			}
		}
	}
}
