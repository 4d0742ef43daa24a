package netlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// checked is a server that does nothing, and has a check.
func checked(t *testing.T, script string) *Resource {
	t.Helper()
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("checked")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	p, err := startProcess(t.Context(), n, []string{"sleep", "100000"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r := &Resource{Name: "server", Spec: ResourceSpec{Check: []string{"sh", "-c", strings.ReplaceAll(script, "SERVER", strconv.Itoa(p.Pid()))}}, Node: n, Interface: new(Interface)}
	r.setProcess(p)
	return r
}

// gone waits for the end of a process that need not be a child.
func gone(t *testing.T, pid string) {
	t.Helper()
	nstest.Eventually(t, 0, func() error {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("process %s lives: %s", pid, stat)
		}
		return nil
	})
}

func TestCheckThatHangs(t *testing.T) {
	r := checked(t, "sleep 100000 & sleep 100000")
	if err := r.look(t.Context(), 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "check: sh: it takes more than 50ms") {
		t.Errorf("got %v", err)
	}
}

// A server that ends while its check runs is ill at once.
func TestServerEndsDuringCheck(t *testing.T) {
	r := checked(t, "kill -9 SERVER; exec sleep 100000")
	if err := r.look(t.Context(), time.Hour); !errors.Is(err, errServerEnded) {
		t.Errorf("got %v", err)
	}
}

// What a check has started ends with it, however it ends.
func TestCheckLeavesNobody(t *testing.T) {
	for name, within := range map[string]time.Duration{"by itself": time.Hour, "slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			script := "sleep 100000 & echo left $!; exit 1"
			if name == "slow" {
				script = "sleep 100000 & echo left $!; exec sleep 100000"
			}
			err := checked(t, script).look(t.Context(), within)
			if _, pid, found := strings.Cut(fmt.Sprint(err), "left "); found {
				gone(t, pid)
			} else if name != "slow" { // a slow machine has not come to that
				t.Errorf("got %v", err)
			}
		})
	}
	if err := checked(t, "sleep 100000 & exit 0").look(t.Context(), time.Hour); err != nil {
		t.Errorf("it exits 0: %v", err)
	}
}

// What a check prints takes no memory but for its last words.
func TestCheckThatPrints(t *testing.T) {
	r := checked(t, "yes | head -c 64000000; echo; echo the last words; exit 3")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := r.look(t.Context(), time.Hour)
	runtime.ReadMemStats(&after)
	if text := fmt.Sprint(err); !strings.HasPrefix(text, "check: sh: exit status 3: ") || !strings.HasSuffix(text, "\nthe last words") || len(text) > tailSize+100 {
		t.Errorf("got %.100s", text)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Errorf("took %d bytes", took)
	}
}
