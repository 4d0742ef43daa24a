// Package netns opens network namespaces and runs functions inside them, and in others' mount namespaces. It is the only
// package that moves threads.
//
// A namespace is held by a file descriptor, so that the kernel ends it when its last holder is gone, however that
// holder went. [NS.Pin] gives one a name under /run/netns for people who want to look inside with `ip netns exec`.
package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The main goroutine keeps the main thread, so that no thread given up below can be the one /proc/self describes.
func init() { runtime.LockOSThread() }

// NS is an open network namespace; it lives while any NS, process or socket holds it.
type NS struct{ file *os.File }

// New makes an empty namespace without moving the caller.
func New() (*NS, error) { return NewWith(func() error { return nil }) }

// NewWith makes a namespace and runs setup inside it before anybody else can see it. It costs one trip less than New
// and Do.
func NewWith(setup func() error) (*NS, error) {
	ns := new(NS)
	err := onThread(func() error { return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET)) }, func() (err error) {
		if ns.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return setup()
	})
	if err != nil {
		ns.file.Close() // nil-safe
		return nil, fmt.Errorf("netns: new: %w", err)
	}
	return ns, nil
}

// Current opens the namespace that the calling goroutine's thread is in.
func Current() (*NS, error) { return Open("/proc/thread-self/ns/net") }

// Open opens the namespace that path names: a pin or a /proc/<pid>/ns/net.
func Open(path string) (*NS, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("netns: %w", err)
	}
	return &NS{f}, nil
}

// Fd is valid until Close.
func (n *NS) Fd() int { return int(n.file.Fd()) }

// Handle is n as vishvananda/netns has it, for the libraries that ask for one, such as netlink.NewHandleAt. It is valid until
// Close, and not for them to close.
func (n *NS) Handle() netns.NsHandle { return netns.NsHandle(n.Fd()) }

// Close lets go of the namespace.
func (n *NS) Close() error { return n.file.Close() }

// Do runs fn on a thread inside n and returns its error; it is os.ErrClosed after Close. Goroutines that fn starts are outside n. Children that fn
// starts are inside n. Do not read /proc/self in fn: it describes the main thread; read /proc/thread-self.
func (n *NS) Do(fn func() error) error {
	return onThread(func() error { return enter(n.file, unix.CLONE_NEWNET) }, fn)
}

// Spend is Do on a thread that ends with fn: for what changes the thread itself and cannot be taken back. Children that fn starts
// inherit that.
func (n *NS) Spend(fn func() error) error {
	err := errors.New("netns: callback left its goroutine")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the runtime then discards the thread, and never makes another of it
		if err = enter(n.file, unix.CLONE_NEWNET); err == nil {
			err = fn()
		}
	}()
	<-done
	return err
}

// Listen opens a TCP listener inside n; it may be used from any goroutine.
func (n *NS) Listen(at netip.AddrPort) (l net.Listener, err error) {
	err = n.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	})
	return l, err
}

// Sysctl is one setting below /proc/sys, such as {"net/ipv4/ip_forward", "1"}.
type Sysctl struct{ Key, Value string }

// Set writes settings inside n, in order.
func (n *NS) Set(settings ...Sysctl) error { return n.Do(func() error { return SetHere(settings...) }) }

// SetHere writes settings in the namespace of the calling thread: for use inside Do and NewWith.
func SetHere(settings ...Sysctl) error { return setIn(unix.AT_FDCWD, "/proc/sys/", settings) }

// setIn writes settings to the files below a directory that is given by a descriptor and a path.
func setIn(dir int, path string, settings []Sysctl) error {
	for _, s := range settings {
		fd, err := unix.Openat(dir, path+s.Key, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("sysctl %s: %w", s.Key, err)
		}
		_, err = unix.Write(fd, []byte(s.Value))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("sysctl %s=%s: %w", s.Key, s.Value, err)
		}
	}
	return nil
}

func onThread(move, fn func() error) error {
	err := errors.New("netns: callback left its goroutine") // stands if fn ends in runtime.Goexit, as t.Fatal does
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = moved(move, fn)
	}()
	<-done
	return err
}

// moved needs a goroutine of its own: if it ends with the thread still locked, the runtime discards the thread.
func moved(move, fn func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net") // not /proc/self: that is the main thread's
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := move(); err != nil {
		runtime.UnlockOSThread() // nothing moved
		return err
	}
	err = fn()
	if back := enter(home, unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("netns: leave: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// enter moves the calling thread into the namespaces of a kind that the file stands for. It holds the descriptor while it
// uses it: a namespace that somebody closes meanwhile is entered, or found closed, and never another file that got its
// number.
func enter(f *os.File, kind int) error {
	var moved error
	set := func(fd uintptr) { moved = os.NewSyscallError("setns", unix.Setns(int(fd), kind)) }
	c, err := f.SyscallConn()
	if err == nil && c.Control(set) != nil {
		err = os.ErrClosed // the one thing that keeps Control from calling
	}
	return errors.Join(err, moved)
}
