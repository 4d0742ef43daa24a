package netns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"

	cni "github.com/containernetworking/plugins/pkg/ns"
)

// TestPin: a pinned namespace outlives its holder, and a name over which nothing was mounted is none.
func TestPin(t *testing.T) {
	nstest.NoLeaks(t)
	ns := nstest.NS(t)
	name := fmt.Sprintf("enilab-test-%d", os.Getpid())
	if _, err := netns.OpenPin(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is pinned: %v", err)
	}
	unpin, err := ns.Pin(name)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err) // without root, /run is not ours
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netns.Unpin(name) })
	if _, err := ns.Pin(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("pinned twice: %v", err)
	}
	if names, err := netns.Pinned(); err != nil || !slices.Contains(names, name) {
		t.Errorf("pinned are %v: %v", names, err)
	}
	inside := func(ns *netns.NS) (in string) {
		ns.Do(func() error { in = current(t); return nil })
		return in
	}
	want := inside(ns)
	ns.Close()
	again, err := netns.OpenPin(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := inside(again); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	again.Close()
	foreign := ""
	if err := cni.WithNetNSPath(filepath.Join(netns.PinDir, name), func(cni.NetNS) error { foreign = current(t); return nil }); err != nil || foreign != want {
		t.Errorf("CNI's library finds %s, want %s: %v", foreign, want, err)
	}
	if err := unpin(); err != nil {
		t.Error(err)
	}
	if err := netns.Unpin(name); err != nil {
		t.Errorf("unpinned twice: %v", err)
	}

	// A process that is killed while it pins leaves a plain file.
	path := filepath.Join(netns.PinDir, name)
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.OpenPin(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a plain file: %v", err)
	}
	other := nstest.NS(t)
	if unpin, err = other.Pin(name); err != nil {
		t.Fatal(err)
	}
	if err := unpin(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := netns.Unpin(name); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}
