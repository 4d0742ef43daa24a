package sockdiag

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// TestMain is also a client of another user: "connect NETWORK ADDRESS" connects and, told a word, half closes or ends.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "connect" {
		c, err := net.Dial(os.Args[2], os.Args[3])
		if err != nil {
			println(err.Error())
			os.Exit(1)
		}
		println("connected")
		_, _ = io.ReadAll(os.Stdin)
		c.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func owners(t *testing.T) *Owners {
	t.Helper()
	f, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	o, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func uid(o *Owners, server net.Conn) (uint32, error) {
	return o.Peer(server.(*net.TCPConn))
}

func at(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestOwnerOfAConnection: of every family, open, half closed and closed.
func TestOwnerOfAConnection(t *testing.T) {
	nstest.NoLeaks(t)
	o := owners(t)
	for name, c := range map[string]struct{ listen, network, address string }{
		"IPv4": {"tcp4", "tcp4", "127.0.0.1:0"}, "IPv6": {"tcp6", "tcp6", "[::1]:0"}, "another of 127/8": {"tcp4", "tcp4", "127.1.2.3:0"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen(c.listen, c.address)
			if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
				t.Skip("no IPv6 here")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial(c.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server := accept(t, l)
			if got, err := uid(o, server); err != nil || int(got) != os.Getuid() {
				t.Errorf("open: %d, %v", got, err)
			}
			if err := client.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadAll(server)
			if got, err := uid(o, server); err != nil || int(got) != os.Getuid() {
				t.Errorf("half closed: %d, %v", got, err)
			}
			client.Close() // nobody's from here on, whatever the kernel says of its user: root
			if got, err := uid(o, server); !errors.Is(err, ErrNoOwner) {
				t.Errorf("closed: %d, %v", got, err)
			}
			server.Close() // its other end waits out its time
			if got, err := uid(o, server); !errors.Is(err, ErrNoOwner) {
				t.Errorf("over: %d, %v", got, err)
			}
		})
	}
}

// TestMappedOwner: an IPv6 socket that connects to an IPv4 address.
func TestMappedOwner(t *testing.T) {
	nstest.NoLeaks(t)
	o := owners(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("no IPv6 here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet6{Port: l.Addr().(*net.TCPAddr).Port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	if err := unix.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	if got, err := uid(o, accept(t, l)); err != nil || int(got) != os.Getuid() {
		t.Errorf("%d, %v", got, err)
	}
}

// TestListenerIsNoClient: one that listens at the address of a client that has gone is not taken for it.
func TestListenerIsNoClient(t *testing.T) {
	nstest.NoLeaks(t)
	o := owners(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got, err := o.find(at(l.Addr()), netip.MustParseAddrPort("127.0.0.1:9")); !errors.Is(err, ErrNoOwner) {
		t.Errorf("%d, %v", got, err)
	}
}

// TestPortOfAnother: a client that has sent what it wanted and is gone, whose port another connection has got since.
func TestPortOfAnother(t *testing.T) {
	nstest.NoLeaks(t)
	o := owners(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pid := os.Getpid()
	own := net.IPv4(127, byte(1+pid>>16), byte(pid>>8), byte(pid)) // whose ports nobody else takes meanwhile
	first, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: own}}).Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write([]byte("a request")); err != nil {
		t.Fatal(err)
	}
	server := accept(t, l)
	if err := first.(*net.TCPConn).SetLinger(0); err != nil { // it ends with a reset
		t.Fatal(err)
	}
	first.Close()
	second, err := (&net.Dialer{LocalAddr: first.LocalAddr()}).Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got, err := uid(o, accept(t, l)); err != nil || int(got) != os.Getuid() {
		t.Errorf("the second: %d, %v", got, err)
	}
	if got, err := uid(o, server); !errors.Is(err, ErrNoOwner) {
		t.Errorf("the first, by what is the second's: %d, %v", got, err)
	}
	b := make([]byte, 100)
	if n, err := server.Read(b); n == 0 {
		t.Logf("the kernel has thrown away what the first has sent (%v): that alone would do", err)
	}
}

// TestOtherUser: a client of nobody's, from the moment it is connected until it has closed.
func TestOtherUser(t *testing.T) {
	nstest.NoLeaks(t)
	if os.Getuid() != 0 || nstest.Rootless() {
		t.Skip("needs the machine's root, to be another user")
	}
	o := owners(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const nobody = 65534
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	program, err := os.Open("/proc/self/exe") // that user may not walk to it
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	client := exec.CommandContext(ctx, "/proc/self/fd/3", "connect", "tcp4", l.Addr().String())
	client.ExtraFiles = []*os.File{program}
	client.Dir = "/"
	client.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	told, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	server := accept(t, l)
	if got, err := uid(o, server); err != nil || got != nobody {
		t.Errorf("open: %d, %v", got, err)
	}
	told.Close()
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	if got, err := uid(o, server); !errors.Is(err, ErrNoOwner) {
		t.Errorf("its client has ended: %d, %v", got, err)
	}
}

func BenchmarkUID(b *testing.B) {
	f, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	o, err := New(f)
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer accepted.Close()
	server := accepted.(*net.TCPConn)
	for b.Loop() {
		if _, err := o.Peer(server); err != nil {
			b.Fatal(err)
		}
	}
}
