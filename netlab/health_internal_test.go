package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
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

// flees is a script that starts a process in a session of its own, goes on when that is there, and tells its number.
func flees(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll("setsid -f sh -c 'echo left $$ >FILE.new; mv FILE.new FILE; exec sleep 100000'; until [ -e FILE ]; do sleep 0.01; done; cat FILE; ", "FILE", openTemp(t)+"/pid")
}

// openTemp is a directory that the server's user may write to.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "enilab-flees-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What a check has started ends with it, though it has left the check's session.
func TestCheckIsNotFled(t *testing.T) {
	for name, script := range map[string]string{"by itself": "exit 1", "killed": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			r := checked(t, flees(t)+script)
			err := r.look(t.Context(), time.Hour)
			_, pid, found := strings.Cut(fmt.Sprint(err), "left ")
			if !found {
				t.Fatalf("got %v", err)
			}
			gone(t, pid)
			if p := r.Process(); p.handle.ended() {
				t.Error("the server has ended, too")
			}
		})
	}
	t.Run("first thread ends", func(t *testing.T) { // it looks like a zombie then
		if _, err := exec.LookPath("python3"); err != nil {
			t.Skip("python3 is missing")
		}
		dir := openTemp(t)
		script := filepath.Join(dir, "script")
		if err := os.WriteFile(script, fmt.Appendf(nil, `import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(100000,)).start()
open("pid.new", "w").write(str(os.getpid()))
os.rename("pid.new", "pid")
ctypes.CDLL(None).syscall(%d, 0)
`, syscall.SYS_EXIT), 0o644); err != nil {
			t.Fatal(err)
		}
		err := checked(t, "cd "+dir+"; setsid -f python3 script; until [ -e pid ]; do sleep 0.01; done; pid=$(cat pid); until grep -q ') Z ' /proc/$pid/stat; do sleep 0.01; done; echo left $pid; exit 1").look(t.Context(), time.Hour)
		_, pid, found := strings.Cut(fmt.Sprint(err), "left ")
		if !found {
			t.Fatalf("got %v", err)
		}
		nstest.Eventually(t, 0, func() error {
			if threads, err := os.ReadDir("/proc/" + pid + "/task"); err == nil && len(threads) > 1 {
				return fmt.Errorf("process %s has %d threads", pid, len(threads))
			}
			return nil
		})
	})
	t.Run("slow", func(t *testing.T) { // it takes more than a second
		err := checked(t, flees(t)+"sleep 1.1; exit 1").look(t.Context(), time.Hour)
		_, pid, found := strings.Cut(fmt.Sprint(err), "left ")
		if !found {
			t.Fatalf("got %v", err)
		}
		gone(t, pid)
	})
}

// And so does what a server has started, whoever ends it, by whichever daemon.
func TestServerIsNotFled(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("fled")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for name, end := range map[string]func(*Process){
		"closed":      func(*Process) {},
		"has crashed": func(p *Process) { _ = p.handle.kill(); <-p.Done() },
	} {
		for _, adopted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, adopted %v", name, adopted), func(t *testing.T) {
				p, err := startProcess(t.Context(), n, []string{"sh", "-c", flees(t) + "exec sleep 100000"})
				if err != nil {
					t.Fatal(err)
				}
				var pid string
				nstest.Eventually(t, 0, func() (err error) {
					var found bool
					if _, pid, found = strings.Cut(p.output.String(), "left "); !found {
						err = fmt.Errorf("it says %s", p.output)
					}
					return err
				})
				ends := p
				if adopted {
					if ends, err = adoptProcess(n, "sh", p.State()); err != nil {
						t.Fatal(err)
					}
				}
				end(ends)
				if err := ends.Close(); err != nil {
					t.Error(err)
				}
				gone(t, pid)
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A server of a former version has no mark: nobody is ended as its own.
func TestNoMark(t *testing.T) {
	nstest.NoLeaks(t)
	cmd := exec.CommandContext(t.Context(), "sleep", "100000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // killed
	defer cmd.Process.Kill() //nolint:errcheck // it runs
	m := markOf(cmd.Process.Pid)
	defer m.close()
	if m != (mark{}) {
		t.Fatal("it has the mark of this process")
	}
	if err := m.end(0); err != nil {
		t.Error(err)
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
