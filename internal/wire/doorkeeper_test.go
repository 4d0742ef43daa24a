package wire

import "testing"

func TestConnectionsLeaveFilesToTheLab(t *testing.T) {
	for files, want := range map[uint64]int{0: 1, 256: 64, 1024: 256, 16384: 4096, 1 << 20: 4096, ^uint64(0): 4096} {
		if got := maxConns(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
}
