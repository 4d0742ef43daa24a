package program

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSealWaitsForOthers: whoever refers to a page of the copy for a moment does not keep it from being sealed. Here that
// is a mapping; on a busy machine it was the kernel.
func TestSealWaitsForOthers(t *testing.T) {
	for name, lets := range map[string]bool{"lets go": true, "keeps it": false} {
		t.Run(name, func(t *testing.T) {
			fd, err := unix.MemfdCreate("seal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Ftruncate(fd, 4096); err != nil {
				t.Fatal(err)
			}
			page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			pauses := 0
			err = addSeals(fd, sealed, func() {
				if pauses++; lets && pauses == 3 {
					_ = unix.Munmap(page)
				}
			})
			if lets && err != nil || !lets && !errors.Is(err, unix.EBUSY) {
				t.Errorf("after %d pauses: %v", pauses, err)
			}
			if lets && pauses != 3 {
				t.Errorf("%d pauses, want 3", pauses)
			}
			if !lets {
				_ = unix.Munmap(page)
			}
		})
	}
}
