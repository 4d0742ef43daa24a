package sandbox_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

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
		if tail.Count() != int64(len(all)) {
			t.Fatalf("count %d, want %d", tail.Count(), len(all))
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
	if tail.Count() != 6 || tail.Total() != 22 {
		t.Errorf("count %d, total %d; want 6, 22", tail.Count(), tail.Total())
	}
}

// lines records each Write as one line.
type lines struct {
	mu  sync.Mutex
	got []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, string(p))
	return len(p), nil
}

func TestLogTailForwardsWholeLines(t *testing.T) {
	nstest.NoLeaks(t)
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct{ writes, want []string }{
		"one":        {[]string{"a\n"}, []string{"a\n"}},
		"pieces":     {[]string{"a", "b\nc", "d\n"}, []string{"ab\n", "cd\n"}},
		"many":       {[]string{"a\nb\n\nc\n"}, []string{"a\n", "b\n", "\n", "c\n"}},
		"unfinished": {[]string{"a\nrest"}, []string{"a\n", "rest\n"}},
		"too long":   {[]string{long[:3000], long[3000:] + "\nb\n"}, []string{long[:4096] + "\n", "b\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			var to lines
			tail := sandbox.LogTail{Lines: &to}
			for _, w := range c.writes {
				fmt.Fprint(&tail, w)
			}
			tail.Flush()
			if got, want := fmt.Sprintf("%q", to.got), fmt.Sprintf("%q", c.want); got != want {
				t.Errorf("forwarded %.200s\nwant      %.200s", got, want)
			}
		})
	}
}

// Above its rate a flood is cut, the cut is named, and what comes later gets through again.
func TestLogTailRate(t *testing.T) {
	nstest.NoLeaks(t)
	now := time.Unix(1, 0)
	var to lines
	tail := sandbox.LogTail{Lines: &to, Rate: 10_000, Now: func() time.Time { return now }}
	for range 3000 {
		fmt.Fprint(&tail, "123456789\n")
	}
	now = now.Add(10 * time.Millisecond) // earns 100 bytes, 10 lines
	for range 20 {
		fmt.Fprint(&tail, "abcdefghi\n")
	}
	tail.Flush()
	count := map[string]int{}
	for _, l := range to.got {
		count[l]++
	}
	want := map[string]int{
		"123456789\n": 1000,
		"[enilab: 2000 lines of output left out]\n": 1,
		"abcdefghi\n": 10,
		"[enilab: 10 lines of output left out]\n": 1,
	}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("forwarded %v\nwant      %v", count, want)
	}
}

// blocked is a receiver that takes nothing before it is opened: a terminal on hold.
type blocked struct {
	open chan struct{}
	got  int
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.open
	b.got += len(p)
	return len(p), nil
}

func TestLogTailNeverWaitsForTheReceiver(t *testing.T) {
	nstest.NoLeaks(t)
	to := blocked{open: make(chan struct{})}
	tail := sandbox.LogTail{Lines: &to, Rate: 1 << 40}
	line := []byte(strings.Repeat("y", 999) + "\n")
	const flood = 20_000 // 20 MB
	for range flood {
		tail.Write(line) // would hang here
	}
	close(to.open)
	tail.Flush()
	if to.got == 0 || to.got > 2*(64<<10) {
		t.Errorf("a receiver on hold got %d bytes later; want what two queues hold, not the flood", to.got)
	}
	if tail.Total() != flood*1000 || !bytes.HasSuffix(tail.Tail(), line) {
		t.Errorf("total %d, tail ends %.20q", tail.Total(), tail.Tail()[sandbox.TailSize-20:])
	}
}

func TestLogTailDoesNotGrow(t *testing.T) {
	var tail sandbox.LogTail
	p := bytes.Repeat([]byte("no end of line "), 5000)
	if n := testing.AllocsPerRun(100, func() { tail.Write(p) }); n != 0 {
		t.Errorf("%v allocations a Write, want none", n)
	}
	to := sandbox.LogTail{Lines: &lines{}, Rate: 1}
	to.Write(p)
	if n := testing.AllocsPerRun(100, func() { to.Write(p) }); n != 0 {
		t.Errorf("%v allocations a Write of an endless line, want none", n)
	}
}

func TestLogTailConcurrentUse(t *testing.T) {
	nstest.NoLeaks(t)
	var to lines
	tail := sandbox.LogTail{Lines: &to, Rate: 1 << 30}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				fmt.Fprintln(&tail, "whole line")
				if i%50 == 0 {
					tail.Tail()
					tail.Flush()
				}
			}
		})
	}
	wg.Wait()
	tail.Flush()
	if tail.Count() != 8*200*11 {
		t.Errorf("count %d, want %d", tail.Count(), 8*200*11)
	}
	for _, l := range to.got {
		if l != "whole line\n" && !strings.HasPrefix(l, "[enilab: ") {
			t.Fatalf("torn line %q", l)
		}
	}
}

func BenchmarkLogTailFlood(b *testing.B) {
	tail := sandbox.LogTail{Lines: &lines{}, Rate: 1}
	p := []byte(strings.Repeat(strings.Repeat("z", 79)+"\n", 400)) // 32 KiB, as io.Copy reads
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		tail.Write(p)
	}
}
