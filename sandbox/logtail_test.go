package sandbox_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"enilab/internal/nstest"
	"enilab/sandbox"
)

// The tail is the suffix of all that was written, whatever the sizes of the writes.
func TestLogTailKeepsTheEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var tail sandbox.LogTail
		var all []byte
		for range rng.IntN(12) {
			p := make([]byte, rng.IntN([]int{3, 700, sandbox.TailSize + 2, 3 * sandbox.TailSize}[rng.IntN(4)]))
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			if n, err := tail.Write(p); n != len(p) || err != nil {
				t.Fatalf("Write of %d bytes: %d, %v", len(p), n, err)
			}
			all = append(all, p...)
			want := all[max(0, len(all)-sandbox.TailSize):]
			if got := tail.Tail(); !bytes.Equal(got, want) {
				t.Fatalf("after %d bytes the tail has %d bytes and is not the suffix of %d", len(all), len(got), len(want))
			}
		}
	}
}

func TestLogTailReset(t *testing.T) {
	var tail sandbox.LogTail
	fmt.Fprint(&tail, "first invocation")
	tail.Reset()
	if got := tail.Tail(); len(got) != 0 {
		t.Errorf("tail after Reset: %q", got)
	}
	fmt.Fprint(&tail, "second")
	if got := string(tail.Tail()); got != "second" {
		t.Errorf("tail %q, want the second invocation's only", got)
	}
}

func TestLogTailDoesNotGrow(t *testing.T) {
	var tail sandbox.LogTail
	p := bytes.Repeat([]byte("z"), 32<<10) // as io.Copy reads
	if n := testing.AllocsPerRun(100, func() { tail.Write(p) }); n != 0 {
		t.Errorf("%v allocations a Write, want none", n)
	}
}

func TestLogTailConcurrentUse(t *testing.T) {
	nstest.NoLeaks(t)
	var tail sandbox.LogTail
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				fmt.Fprintln(&tail, "whole line")
				tail.Tail()
			}
		})
	}
	wg.Wait()
	all := strings.Repeat("whole line\n", 8*200)
	if got := string(tail.Tail()); got != all[len(all)-sandbox.TailSize:] {
		t.Errorf("torn: %q", got)
	}
}

func BenchmarkLogTailFlood(b *testing.B) {
	var tail sandbox.LogTail
	p := []byte(strings.Repeat(strings.Repeat("z", 79)+"\n", 400)) // 32 KiB, as io.Copy reads
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		tail.Write(p)
	}
}
