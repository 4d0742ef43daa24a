package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"enilab/internal/netns"
	"enilab/internal/sockdiag"

	"golang.org/x/sys/unix"
)

// What TCP and UDP sockets hold is the kernel's memory, and all namespaces of a machine take it from one pool: from
// net.ipv4.tcp_mem and udp_mem, which the kernel makes 4.7 % of the machine's memory before it begins to press, and
// 9.4 % at most. When a pool is used up, every connection of the machine slows down. So there are bounds:
//
//   - a connection's buffers grow by themselves to 1 MiB each, in the namespaces of environments and servers
//     (netlab.BufferLimits);
//   - on control groups version 1 an environment and its lab have a limit in the kernel (Limits.Sockets and
//     SocketShare). On version 2 there is none, but sockets count as memory;
//   - whoever knows all environments of a lab ends those with the most once they have more than SocketShare together
//     (Process.Sockets): without control groups nothing else does.

// maxSockets is what an environment may have of the lab's share on a large machine, in bytes.
const maxSockets = 64 << 20

// SocketShare is how much of the machine's memory for sockets a lab may have, and of that one environment, in bytes: half
// of what the kernel lets all have before it presses any, if nobody has changed net.ipv4.tcp_mem, and half of that half
// or 64 MiB.
func SocketShare() (lab, environment int64, err error) {
	memory, err := machineMemory()
	lab = memory * 3 / 64 / 2 // tcp_mem(7): tcp_init_mem of net/ipv4/tcp.c begins to press at 3/64
	return lab, min(lab/2, maxSockets), err
}

// machineMemory is in bytes.
func machineMemory() (int64, error) {
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return 0, os.NewSyscallError("sysinfo", err)
	}
	return int64(machine.Totalram) * int64(machine.Unit), nil
}

// SocketMemory is what all TCP and UDP sockets of the machine hold, in bytes.
func SocketMemory() (int64, error) {
	b, err := os.ReadFile("/proc/net/sockstat") // proc_net(5): the same numbers in every namespace, in pages
	if err != nil {
		return 0, err
	}
	pages, err := parseSockstat(string(b))
	return pages * int64(os.Getpagesize()), err
}

// parseSockstat sums what stands behind the word "mem" in the lines of TCP and UDP.
func parseSockstat(text string) (pages int64, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" && fields[0] != "UDP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] != "mem" {
				continue
			}
			n, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("sockstat: %q: %w", line, err)
			}
			pages += n
		}
	}
	return pages, nil
}

// Sockets is what the environment's sockets hold, in bytes, as its control group has it. Without one it is what the kernel
// tells of each socket in the environment's network namespace: ofNamespace says so, for it may have others in it. An
// environment that has ended holds nothing.
func (p *Process) Sockets() (bytes int64, ofNamespace bool, err error) {
	if p.life.Err() != nil {
		return 0, false, nil
	}
	n, err := p.cgroup.sockets()
	if errors.Is(err, unix.ENODEV) { // the group is being removed: its files are open, and answer that
		return 0, false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return n, false, err
	}
	ns, err := netns.Open(fmt.Sprintf("/proc/%d/ns/net", p.pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	defer ns.Close()
	if p.life.Err() != nil { // then that may be another's
		return 0, false, nil
	}
	err = ns.Do(func() error {
		n, err = sockdiag.Memory()
		return err
	})
	return n, true, err
}

// sockets reads what the group's sockets hold. It is fs.ErrNotExist where nobody counts that.
func (g *Cgroup) sockets() (int64, error) {
	if g == nil {
		return 0, fs.ErrNotExist
	}
	if d := g.memoryDir(); d.unified {
		return counter(d.path, "memory.stat", "sock")
	} else if g.limits.Sockets > 0 { // without a limit version 1 does not count
		return counter(d.path, socketUsage, "")
	}
	return 0, fs.ErrNotExist
}

// The files of version 1. They count UDP, too. https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
const (
	socketLimit = "memory.kmem.tcp.limit_in_bytes"
	socketUsage = "memory.kmem.tcp.usage_in_bytes"
)

// EndForSockets ends an environment that holds too much: as one that has run out of memory.
func (p *Process) EndForSockets() error {
	p.overSocket.Store(true)
	p.overMemory.Store(true)
	return p.Kill()
}
