package sandbox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/netlab"
	"enilab/sandbox"
)

// fill is a script that fills so many connections, whose other ends read nothing. It prints when it is done: when no more
// has fitted for a while.
func fill(connections int) string {
	return fmt.Sprintf(`import socket, time
l = socket.create_server(("127.0.0.1", 0))
senders, kept = [], []
for i in range(%d):
    c = socket.create_connection(l.getsockname())
    kept.append(l.accept()[0])
    c.setblocking(False)
    senders.append(c)
idle = 0
while idle < 20:
    idle += 1
    for c in senders:
        try:
            if c.send(bytes(1 << 20)): idle = 0
        except BlockingIOError: pass
    time.sleep(0.005)
print("full", flush=True)
time.sleep(100000)`, connections)
}

func TestBuffersOfANamespaceAreBounded(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		o := newOutput()
		c := with(config(t, "cat /proc/sys/net/ipv4/tcp_rmem /proc/sys/net/ipv4/tcp_wmem"))
		c.Output = o
		await(t, start(t, c))
		lines := strings.Split(strings.TrimSpace(o.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("output %q", o)
		}
		for _, line := range lines {
			var least, first, most int
			if _, err := fmt.Sscan(line, &least, &first, &most); err != nil || most > 1<<20 || least > first || first > most {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}

// connected is config with a loopback that is up.
func connected(t *testing.T) setup {
	t.Helper()
	n, err := netlab.NewNode("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	c := config(t, "")
	c.NetNS = n.NS
	return c
}

// TestSocketsAreCounted: as the control group counts, and without one.
func TestSocketsAreCounted(t *testing.T) {
	nstest.NoLeaks(t)
	count := func(t *testing.T, c setup) {
		o := newOutput()
		c.Code, c.Output = python(t, fill(4)), o
		p := start(t, c)
		o.await(t, "full")
		n, ofNamespace, err := p.Sockets()
		if err != nil || n < 2<<20 || n > 32<<20 || ofNamespace != (c.Cgroup == nil) {
			t.Errorf("4 full connections hold %d bytes (all of the namespace: %v), %v", n, ofNamespace, err)
		}
		if all, err := sandbox.SocketMemory(); err != nil || all == 0 {
			t.Errorf("all sockets hold %d bytes, %v", all, err)
		}
		if err := p.EndForSockets(); err != nil {
			t.Fatal(err)
		}
		if e := await(t, p); !e.OOM || !e.Socket || e.Killed {
			t.Errorf("%+v", e)
		}
		if n, _, err := p.Sockets(); n != 0 || err != nil {
			t.Errorf("after its end: %d bytes, %v", n, err)
		}
	}
	t.Run("no cgroup", func(t *testing.T) {
		variants(t, func(t *testing.T, with func(setup) setup) { count(t, with(connected(t))) })
	})
	t.Run("cgroup", func(t *testing.T) {
		g, _ := groups(t)
		c := connected(t)
		c.Cgroup = group(t, g, sandbox.Limits{Sockets: 64 << 20})
		count(t, c)
	})
}

// TestSocketsOfAGroupAreBounded: by control groups version 1; on version 2 they are memory.
func TestSocketsOfAGroupAreBounded(t *testing.T) {
	nstest.NoLeaks(t)
	g, lab := groups(t)
	if _, err := os.Stat("/sys/fs/cgroup/memory/enilab/" + lab + "/memory.kmem.tcp.limit_in_bytes"); err != nil {
		t.Skip(err)
	}
	const limit = 8 << 20 // which each socket may exceed a little; without one they hold ten times as much
	o := newOutput()
	c := connected(t)
	c.Code, c.Output, c.Cgroup = python(t, fill(50)), o, group(t, g, sandbox.Limits{Sockets: limit})
	p := start(t, c)
	o.await(t, "full")
	if n, _, err := p.Sockets(); err != nil || n < limit/2 || n > 4*limit {
		t.Errorf("50 full connections hold %d bytes, %v; the limit is %d", n, err, limit)
	}
}

// TestSocketShare: a lab may have half of what all sockets may hold before the kernel presses any, and an environment half of
// that.
func TestSocketShare(t *testing.T) {
	lab, one, err := sandbox.SocketShare()
	if err != nil || one <= 0 || one > 64<<20 || one > lab/2 || lab < 1<<20 {
		t.Errorf("%d bytes of a lab, %d of an environment, %v", lab, one, err)
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "MemTotal:")
	marks, err := os.ReadFile("/proc/sys/net/ipv4/tcp_mem")
	if err != nil {
		t.Skip(err) // of a namespace that is not the machine's first it was hidden once
	}
	var machine, mark int64 // KiB; pages
	if _, err := fmt.Sscan(rest, &machine); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(marks), &mark); err != nil {
		t.Fatal(err)
	}
	machine, mark = machine<<10, mark*int64(os.Getpagesize())
	if mark < machine*3/64*3/4 {
		t.Skipf("net.ipv4.tcp_mem has been lowered, to %s", marks)
	}
	if lab > mark*2/3 { // the kernel has taken a part of the memory for itself before it reckons
		t.Errorf("a lab may have %d bytes, and the kernel begins to press at %d", lab, mark)
	}
}
