package netlab

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// TestOutputStaysSmall: what a server prints takes little memory, its last words are kept, and a new owner finds them.
func TestOutputStaysSmall(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("talker")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	p, err := startProcess(t.Context(), n, []string{"sh", "-c", "seq 1 100000; echo to stdout >>/dev/stdout; echo the last words >&2; exec sleep 1000"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	nstest.Eventually(t, 10*time.Second, func() error {
		if words := p.output.String(); len(words) > tailSize || !strings.HasSuffix(words, "100000\nto stdout\nthe last words") {
			return fmt.Errorf("last words %.100q", words)
		}
		p.output.trim()
		var s unix.Stat_t
		if err := unix.Fstat(int(p.output.file.Fd()), &s); err != nil || s.Blocks*512 > outputSize {
			return fmt.Errorf("%d blocks: %v", s.Blocks, err)
		}
		return nil
	})
	adopted := openOutput(p.Pid())
	defer adopted.close()
	if adopted.String() != p.output.String() {
		t.Errorf("adopted: %.100q", adopted)
	}
	if other := openOutput(os.Getpid()); other != nil {
		t.Errorf("a stranger's output was opened")
	}
}
