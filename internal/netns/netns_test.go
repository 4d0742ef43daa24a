package netns_test

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
)

func current(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDoRestoresUnderLoad(t *testing.T) {
	nstest.NoLeaks(t)
	home := current(t)
	ns := nstest.NS(t)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			err := ns.Do(func() error {
				if in, _ := os.Readlink("/proc/thread-self/ns/net"); in == home {
					return errors.New("Do stayed at home")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if at, _ := os.Readlink("/proc/thread-self/ns/net"); at != home {
				t.Errorf("an unrelated goroutine is in %s", at)
			}
		})
	}
	wg.Wait()
}

func TestNamespaceEndsWithItsLastHolder(t *testing.T) {
	nstest.NoLeaks(t)
	ns := nstest.NS(t)
	l, err := ns.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err == nil {
		l.Close()
	}
}

func TestSetIsPerNamespace(t *testing.T) {
	nstest.NoLeaks(t)
	read := func() string {
		b, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := read()
	ns := nstest.NS(t)
	if err := ns.Set(netns.Sysctl{Key: "net/ipv4/ip_forward", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	err := ns.Do(func() error {
		if read() != "1\n" {
			t.Error("not set inside")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read() != before {
		t.Error("the host's setting changed")
	}
	if err := ns.Set(netns.Sysctl{Key: "net/ipv4/no_such", Value: "1"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unknown key: %v", err)
	}
}

// TestCloseMeetsDo: whoever enters a namespace while it is closed gets in or is told so, and is never anywhere else.
func TestCloseMeetsDo(t *testing.T) {
	nstest.NoLeaks(t)
	for range 50 {
		ns, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := ns.Do(func() (err error) { want, err = os.Readlink("/proc/thread-self/ns/net"); return err }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					var in string
					err := ns.Do(func() (err error) { in, err = os.Readlink("/proc/thread-self/ns/net"); return err })
					if errors.Is(err, os.ErrClosed) {
						return
					}
					if err != nil || in != want {
						t.Errorf("in %q (%v), want %q", in, err, want)
						return
					}
				}
			})
		}
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func TestChildStartsInside(t *testing.T) {
	nstest.NoLeaks(t)
	ns := nstest.NS(t)
	var inside, child string
	err := ns.Do(func() (err error) {
		inside, _ = os.Readlink("/proc/thread-self/ns/net")
		out, err := exec.Command("readlink", "/proc/self/ns/net").Output()
		child = string(out)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if child != inside+"\n" {
		t.Errorf("child in %q, want %q", child, inside)
	}
}
