package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
)

// quick is a comparison that measures everything, quickly.
var quick = []string{"compare", "--runs", "1", "--burst", "2", "--format", "json"}

// Killed at any moment, whichever of its processes dies, it leaves nothing but control groups; the next run removes
// those and works.
func TestKilledAtAnyMoment(t *testing.T) {
	moments := nstest.Times(8, 13)
	for _, args := range [][]string{small, quick}[:nstest.Times(1, 2)] {
		t.Run(args[0], func(t *testing.T) {
			asEach(t, func(t *testing.T, who identity) { killedAtAnyMoment(t, who, args, moments) })
		})
	}
}

func killedAtAnyMoment(t *testing.T, who identity, args []string, moments int) {
	victims := []string{"outer", "inner", "both", "group"}
	start := look(t, who)
	runs, killed, left := 0, 0, 0
	for i := range moments {
		if !who.takes(i) {
			continue
		}
		runs++
		victim := victims[i/who.of%len(victims)]
		steps := knownSteps(t, who, args)
		ok := t.Run(fmt.Sprintf("%d of %d, %s", i, moments, victim), func(t *testing.T) {
			before := look(t, who)
			r := who.command(args...).start(t)
			if !r.at(t, i*steps/moments, rand.New(rand.NewPCG(1, uint64(i)))) {
				t.Logf("it was over before step %d", i*steps/moments)
				return
			}
			if victim != "outer" && victim != "group" {
				r.until(t, "it has an inside", func() bool { return r.inner() != 0 })
			}
			inner := r.inner()
			pids := map[string][]int{
				"outer": {r.Process.Pid}, "inner": {inner}, "both": {inner, r.Process.Pid}, "group": {-r.Process.Pid},
			}[victim]
			for _, pid := range pids {
				if pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
			res := r.result(t)
			if victim == "inner" {
				if res.code != 0 && (res.code != 1 || !strings.Contains(res.stderr, "ended by signal 9 (killed)")) {
					t.Errorf("its inside was killed, and: %v", res)
				}
				nothingLeft(t, before)
			} else {
				nothingLeft(t, before, "cgroup")
			}
			if !who.noGroups {
				left += len(cgroups(t)) - len(before.found["cgroup"])
			}
		})
		if !ok {
			return // what follows would only repeat it
		}
		again := who.command(args...).do(t).want(t, 0)
		if args[0] == "compare" {
			if rep := parseReport(t, again); !*rep.HostUnchanged || len(rep.Variants) != 3 {
				t.Fatalf("after a kill: %v", again)
			}
		} else if story := parseStory(t, again.stdout); len(story.legacy) != 2 || len(story.shared) != 2 || !strings.Contains(again.stdout, "\nHost unchanged.") {
			t.Fatalf("after a kill: %v", again)
		}
		nothingLeft(t, start)
	}
	if killed < runs {
		t.Errorf("only %d processes killed in %d runs", killed, runs)
	}
	if left == 0 && !who.noGroups {
		t.Error("no kill left a control group: nothing was tested of their removal")
	}
}

// The inside ends with the outside even if that died before the inside could ask to be told.
func TestInsideEndsWithoutOutside(t *testing.T) {
	keepsMachine(t)
	who := asRoot(t)
	// As the program starts itself, but with a pipe whose other end is closed: it reads as nothing, as /dev/null does.
	r := who.other("unshare", "--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "sh", "-c",
		`exec "$0" __lab demo --lab=demo-1-1-1 --pause 3>/dev/null 4</dev/null`, enilab)
	stdin, err := r.StdinPipe() // stays open: the pause would last for ever
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if res := r.do(t); res.code != 130 {
		t.Errorf("want exit code 130; %v", res)
	}
}
