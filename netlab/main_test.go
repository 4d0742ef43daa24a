package netlab_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// The test binary is also the customers' server: run as "serve NAME ADDRESS:PORT...", or as "fail WORDS" one that is
// broken. As "keep SERVER" it is a control plane, to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "serve":
			fmt.Fprintln(os.Stderr, serve(os.Args[2], os.Args[3:]...))
			os.Exit(1)
		case "keep":
			fmt.Fprintln(os.Stderr, keepAndTell(os.Args[2]))
			os.Exit(1)
		case "fail":
			fmt.Println(os.Args[2])
			os.Exit(3)
		}
	}
	code := m.Run()
	os.RemoveAll(filepath.Dir(server.path)) // "" if no test has asked for it: RemoveAll(".") is refused
	os.Exit(code)
}

// serve answers TCP and UDP at some addresses and ports. Every caller is told the address that it is seen with, and the
// server's name; over TCP what it sends then comes back.
func serve(name string, at ...string) error {
	failed := make(chan error)
	for _, at := range at {
		go func() { failed <- serveOne(name, at) }()
	}
	return <-failed
}

func serveOne(name, at string) error {
	packets, err := net.ListenPacket("udp4", at)
	if err != nil {
		return err
	}
	go func() {
		b := make([]byte, 2000)
		for {
			_, from, err := packets.ReadFrom(b)
			if err == nil {
				packets.WriteTo(fmt.Appendf(nil, "%s %s\n", from, name), from)
			}
		}
	}()
	l, err := net.Listen("tcp4", at)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			fmt.Fprintf(c, "%s %s\n", c.RemoteAddr(), name)
			io.Copy(c, c)
		}()
	}
}

var server struct {
	once sync.Once
	path string
	err  error
}

// serverPath is the test binary at a place where nobody, as whom servers run, may execute it.
func serverPath(t testing.TB) string {
	t.Helper()
	server.once.Do(func() {
		dir, err := os.MkdirTemp("", "netlab-server-")
		if err != nil {
			server.err = err
			return
		}
		server.path = filepath.Join(dir, "server")
		server.err = os.Chmod(dir, 0o755)
		if server.err != nil {
			return
		}
		self, err := os.Executable()
		if err == nil {
			err = os.Link(self, server.path)
		}
		if err != nil { // another file system
			err = copyFile(server.path, self)
		}
		server.err = err
	})
	if server.err != nil {
		t.Fatal(server.err)
	}
	return server.path
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// Refused packets are dropped without a word, so a refusal is a silence. It is shorter than TCP's first retransmission
// (1 s), and a connection that passes takes a thousandth of it.
const silence = 400 * time.Millisecond

// answerWithin bounds what has to succeed, on a machine however busy.
const answerWithin = time.Minute

// ask dials one server and returns the line it says.
func ask(d net.Dialer, network string, at netip.AddrPort) (string, error) {
	c, err := d.Dial(network, at.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(d.Timeout))
	if network == "udp4" {
		if _, err := c.Write([]byte("?")); err != nil {
			return "", err
		}
	}
	return readLine(c)
}

func readLine(c net.Conn) (string, error) {
	b := make([]byte, 200)
	n, err := c.Read(b)
	if err != nil {
		return "", err
	}
	return string(b[:max(0, n-1)]), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
