package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// PinDir is where iproute2 looks for named namespaces.
const PinDir = "/run/netns"

// Pin names n, so that `ip netns exec <name>` finds it and it outlives its holders, and returns what takes the name away
// again. Pins slow every new mount namespace a little: they are for the few namespaces of the infrastructure, never for
// slots.
func (n *NS) Pin(name string) (unpin func() error, err error) {
	if err := os.MkdirAll(PinDir, 0o755); err != nil {
		return nil, fmt.Errorf("netns: pin %s: %w", name, err)
	}
	path := filepath.Join(PinDir, name)
	if pinned, err := isPin(path); pinned || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("netns: pin %s: %w", name, errors.Join(err, fs.ErrExist))
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444) // may be there: somebody was killed before the mount below
	if err != nil {
		return nil, fmt.Errorf("netns: pin %s: %w", name, err)
	}
	f.Close()
	source := fmt.Sprintf("/proc/thread-self/fd/%d", n.Fd())
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("netns: pin %s: %w", name, os.NewSyscallError("mount", err)), os.Remove(path))
	}
	return func() error { return Unpin(name) }, nil
}

// OpenPin opens the namespace of this name. One that is not there is fs.ErrNotExist.
func OpenPin(name string) (*NS, error) {
	path := filepath.Join(PinDir, name)
	pinned, err := isPin(path)
	if err == nil && !pinned {
		err = fs.ErrNotExist // a file over which nothing is mounted yet
	}
	if err != nil {
		return nil, fmt.Errorf("netns: open pin %s: %w", name, err)
	}
	return Open(path)
}

// Unpin takes a name away. One that is not there is no error.
func Unpin(name string) error {
	path := filepath.Join(PinDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if errors.Is(err, unix.EINVAL) { // a file over which nothing is mounted yet
		err = nil
	}
	if err = errors.Join(os.NewSyscallError("umount", err), os.Remove(path)); err != nil {
		return fmt.Errorf("netns: unpin %s: %w", name, err)
	}
	return nil
}

// Pinned lists the names there are, in order.
func Pinned() (names []string, err error) {
	entries, err := os.ReadDir(PinDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// isPin tells whether a namespace is mounted at path, as the tools of CNI understand it.
func isPin(path string) (bool, error) {
	err := ns.IsNSorErr(path)
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, new(ns.NSPathNotNSErr)):
		return false, nil
	case errors.As(err, new(ns.NSPathNotExistErr)):
		return false, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return false, err
}
