package aws_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// say runs a verb that is to succeed.
func (l *lab) say(t *testing.T, args ...string) string {
	t.Helper()
	out, err := l.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestVerbsOfARunningLab(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	const ask = `{"whoami":"http://10.0.1.20/"}`
	if out := l.say(t, "invoke", "steady-shared", "--payload", ask); !strings.Contains(out, `"whoami":"10.0.1.`) {
		t.Errorf("invoke: %s", out)
	}
	var result struct {
		Schema   string
		Timeline []struct{ Name, Kind string }
	}
	if err := json.Unmarshal([]byte(l.say(t, "invoke", "steady-legacy", "--payload", ask, "--format", "json")), &result); err != nil ||
		result.Schema != "enilab.invoke/v1" || len(result.Timeline) < 4 || result.Timeline[0].Kind != "measured" {
		t.Errorf("invoke --format json: %v %+v", err, result)
	}
	for what, want := range map[string]string{
		"functions": "steady-shared", "enis": "AWS Lambda VPC ENI-steady-shared-", "envs": "steady-legacy/1", "slots": "tunnel",
		"vpcs": "subnet-green", "resources": "vpc-blue/whoami", "nodes": "hyperplane",
	} {
		if out := l.say(t, "inspect", what); !strings.Contains(out, want) {
			t.Errorf("inspect %s has no %q:\n%s", what, want, out)
		}
	}
	for node, want := range map[string]string{
		"vpc-blue": "eni-", "vpc-green/whoami": "10.0.1.20/24", "steady-legacy/1": "10.0.1.", "hyperplane": "und0", "steady-shared/1": "100.64.0.",
	} {
		if out := l.say(t, "exec", node, "--", "ip", "-brief", "address"); !strings.Contains(out, want) {
			t.Errorf("exec %s has no %q:\n%s", node, want, out)
		}
	}
	if _, err := l.run("exec", "vpc-blue", "--", "sh", "-c", "exit 7"); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("exec passes the exit code: %v", err)
	}
	if out := l.say(t, "logs", "steady-shared"); !strings.Contains(out, "REPORT RequestId: ") {
		t.Errorf("logs:\n%s", out)
	}
	for _, c := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"logs", ""}, 2, "at 'functionName' failed to satisfy constraint"},
		{[]string{"logs", "steady-shared:1"}, 2, `a function has one log, of all its versions: leave ":1" out`},
		{[]string{"logs", "none"}, 1, "Function not found"},
		{[]string{"up", "--name", l.name, "--dry-run", "--listen", "192.0.2.1:80"}, 1, "give --listen an address of this machine"},
	} {
		if code, said := l.tell(t, c.args...); code != c.code || !strings.Contains(said, c.said) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: %d: %s", c.args, code, said)
		}
	}
	l.say(t, "mode", "steady-shared", "legacy")
	if f := l.inspect("functions"); f[1]["mode"] != "legacy" {
		t.Errorf("after mode: %v", f)
	}
	if out := l.say(t, "up", "-t", l.file, "--name", l.name, "--dry-run"); !strings.Contains(out, "would change function steady-shared: mode legacy → shared") {
		t.Errorf("dry run: %s", out)
	}
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); !strings.Contains(out, "changed function steady-shared") {
		t.Errorf("up reconciles: %s", out)
	}
	if out := l.say(t, "gc", "--dry-run"); !strings.Contains(out, "Nothing is left") {
		t.Errorf("gc: %s", out)
	}
}

func TestUpChangesARunningLab(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	text := strings.ReplaceAll(two, "STORE", functions)
	text = strings.Replace(text, "  steady-legacy:", "  other:", 1)
	text = strings.Replace(text, "sg-blue: {ingress: [all from anywhere]}", "sg-blue: {ingress: [tcp 80 from anywhere]}", 1)
	text = strings.Replace(text, "subnets: {subnet-green: 10.0.1.0/24}", "subnets: {subnet-green: 10.0.1.0/24, subnet-more: 10.0.2.0/24}", 1)
	if err := os.WriteFile(l.file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = `delete function steady-legacy
create subnet subnet-more
change security-group sg-blue: ingress ["-1 0.0.0.0/0"] → ["tcp 80 0.0.0.0/0"]
create function other
`
	plan := l.say(t, "up", "-t", l.file, "--name", l.name, "--dry-run")
	if plan, _, _ = strings.Cut(strings.ReplaceAll(plan, "would ", ""), "Lab "); plan != want {
		t.Errorf("the plan is\n%s\nwant\n%s", plan, want)
	}
	l.up()
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); !strings.Contains(out, "as the topology says") {
		t.Errorf("a second time: %s", out)
	}
	if out := l.say(t, "invoke", "other"); !strings.Contains(out, `"runtime":"go"`) {
		t.Errorf("the new function: %s", out)
	}
}

// What cannot be made is refused by a dry run and a run alike, and costs the lab nothing: neither a server, nor its daemon for
// the settings that the same file changes.
func TestUpRefusesBeforeItChanges(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	text := strings.ReplaceAll(two, "STORE", functions)
	write := func(pairs ...string) {
		t.Helper()
		if err := os.WriteFile(l.file, []byte(strings.NewReplacer(pairs...).Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	servers := l.inspect("resources")
	write("vpc-green:", "vpc-lime:", "shared: 4", "shared: 3")
	var said [2]string
	for i, more := range [][]string{{"--dry-run"}, nil} {
		cmd := l.command(append([]string{"up", "-t", l.file, "--name", l.name}, more...)...)
		out, _ := cmd.CombinedOutput()
		if said[i] = string(out); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(said[i], l.file+":13:15: subnet subnet-green: vpc vpc-green → vpc-lime: a subnet cannot change") {
			t.Errorf("%v: %v: %s", more, cmd.ProcessState, out)
		}
	}
	if said[0] != said[1] {
		t.Errorf("a dry run says %s\nand a run %s", said[0], said[1])
	}
	if now := l.list(); now.DaemonPID != l.DaemonPID || !reflect.DeepEqual(l.inspect("resources"), servers) {
		t.Errorf("it was %+v with %v\nand is %+v with %v", l.listed, servers, now, l.inspect("resources"))
	}
	// What a lab was made with it keeps, and the place that says otherwise is named.
	plain := text
	for setting, value := range map[string]string{"region": "eu-west-1", "account": "210987654321", "workers": "2"} {
		text = setting + ": " + value + "\n" + plain
		write()
		for _, more := range [][]string{{"--dry-run"}, nil} {
			code, said := l.tell(t, append([]string{"up", "-t", l.file, "--name", l.name}, more...)...)
			name := strings.Replace(setting, "workers", "number of workers", 1)
			want := fmt.Sprintf("enilab: %s:1:%d: lab lab was made with another %s", l.file, len(setting)+3, name)
			if code != 2 || !strings.HasPrefix(said, want) {
				t.Errorf("%v: %d: %s", more, code, said)
			}
		}
	}
	text = plain
	if code, said := l.tell(t, "up", "--name", l.name, "--region", "eu-west-1", "--dry-run"); code != 2 || !strings.Contains(said, "--region eu-west-1: lab lab was made with another region") {
		t.Errorf("--region: %d: %s", code, said)
	}
	write("shared: 4", "shared: 3")
	const other = "would change settings: pool.shared 4 → 3\nBut for that the lab is as the topology says.\n"
	if out := l.say(t, "up", "-t", l.file, "--name", l.name, "--dry-run"); !strings.HasPrefix(out, other) {
		t.Errorf("other settings: %s", out)
	}
	// An address that cannot be had is not to cost the lab its daemon.
	_, port, _ := net.SplitHostPort(l.Listen)
	for _, more := range [][]string{{"--dry-run"}, nil} {
		if code, said := l.tell(t, append([]string{"up", "--name", l.name, "--listen", "192.0.2.1:" + port}, more...)...); code != 1 || !strings.Contains(said, "address of this machine") {
			t.Errorf("%v: %d: %s", more, code, said)
		}
	}
	if now := l.list(); now.DaemonPID != l.DaemonPID {
		t.Errorf("it was %+v and is %+v", l.listed, now)
	}
	write("vpc-green", "vpc-lime", "subnet-green", "subnet-lime", "sg-green", "sg-lime") // all of it renamed
	l.up()
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); !strings.Contains(out, "as the topology says") {
		t.Errorf("a second time: %s", out)
	}
	write()
	l.up()
}

func TestEventsAreLinesOfJSON(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	cmd := exec.Command(enilab, "events", "--format", "json")
	cmd.Env = append(os.Environ(), "ENILAB_HOME="+l.home)
	lines := try(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGINT)
	seen := map[string]bool{}
	heard := make(chan string, 1000)
	go func() {
		defer close(heard)
		for s := bufio.NewScanner(lines); s.Scan(); {
			heard <- s.Text()
		}
	}()
	wanted := []string{"env.started", "env.bound", "eni.created", "function.update", "invoke.done"}
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond) // the first may come before the reader is there
	defer tick.Stop()
	for n := 0; ; {
		missing := ""
		for _, w := range wanted {
			if !seen[w] {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		select {
		case line, ok := <-heard:
			var e struct{ Schema, Type string }
			if err := json.Unmarshal([]byte(line), &e); !ok || err != nil || e.Schema != "enilab.event/v1" {
				t.Fatalf("line %q: %v", line, err)
			}
			seen[e.Type] = true
		case <-tick.C:
			l.say(t, "mode", "steady-shared", []string{"legacy", "shared"}[n%2])
			l.say(t, "invoke", "steady-shared")
			n++
		case <-deadline:
			t.Fatalf("no %s; seen are %v", missing, seen)
		}
	}
}

// One verb at a time works on a lab, and says who it is.
func TestLockNamesItsHolder(t *testing.T) {
	l := up(t, empty)
	lock := try(os.OpenFile(filepath.Join(l.home, "run", l.name+".lock"), os.O_CREATE|os.O_RDWR, 0o600))(t)
	defer lock.Close()
	const setLock = 37 // F_OFD_SETLK
	if err := syscall.FcntlFlock(lock.Fd(), setLock, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	lock.WriteString(`{"verb":"up","pid":4711,"since":"2026-01-02T03:04:05Z"}`)
	if _, err := l.run("down", "--name", l.name); err == nil || !strings.Contains(err.Error(), "'enilab up' (pid 4711)") {
		t.Errorf("down says %v", err)
	}
	os.Remove(lock.Name())
}

func TestForegroundEndsTheLabWhenInterrupted(t *testing.T) {
	nstest.NeedRoot(t)
	dir := t.TempDir()
	l := &lab{t: t, home: filepath.Join(dir, "home"), name: "lab", file: filepath.Join(dir, "lab.lab.yml")}
	if err := os.WriteFile(l.file, []byte(empty), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.down)
	cmd := exec.Command(enilab, "up", "--foreground", "-t", l.file, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "ENILAB_HOME="+l.home)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 20*time.Second, func() error {
		out, err := l.run("list")
		if err == nil && !strings.Contains(string(out), " up ") {
			err = errorf("list: %s", out)
		}
		return err
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d (%v), want 130", code, err)
	}
	if _, err := os.Stat(l.home); err == nil {
		if left := try(filepath.Glob(filepath.Join(l.home, "*", "*")))(t); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// A dry run of a lab whose daemon is dead says what the run would, and starts and changes nothing.
func TestDryRunOfALabThatIsDown(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	text := strings.ReplaceAll(two, "STORE", functions)
	write := func(pairs ...string) {
		t.Helper()
		if err := os.WriteFile(l.file, []byte(strings.NewReplacer(pairs...).Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	say := func(more ...string) (int, string) {
		t.Helper()
		return l.tell(t, append([]string{"up", "-t", l.file, "--name", l.name}, more...)...)
	}
	db := filepath.Join(l.home, "state", l.name, "state.db")
	for _, how := range []string{"daemon dead", "down"} {
		if how == "down" {
			l.say(t, "down", "--keep-state")
		} else {
			l.kill()
			nstest.Eventually(t, time.Minute, func() error {
				if now := l.list(); now.Status != how {
					return errorf("it is %+v", now)
				}
				return nil
			})
		}
		before := try(os.ReadFile(db))(t)
		if code, said := say("--dry-run"); code != 0 || said != "would bring lab lab back: "+how+"\nThe lab is as the topology says.\n" {
			t.Errorf("%s, the same: %d: %s", how, code, said)
		}
		write("mode: legacy, ", "mode: legacy, memory: 256, ")
		if code, said := say("--dry-run"); code != 0 || !strings.HasPrefix(said, "would bring lab lab back: "+how+"\nwould change function steady-legacy: memory 128 → 256\n") {
			t.Errorf("%s, another memory: %d: %s", how, code, said)
		}
		write("vpc-green:", "vpc-lime:")
		code, refused := say("--dry-run")
		if code != 2 || !strings.Contains(refused, "a subnet cannot change") {
			t.Errorf("%s, what cannot be: %d: %s", how, code, refused)
		}
		original := text
		text = "workers: 3\n" + text
		write()
		for _, more := range [][]string{{"--dry-run"}, nil} { // who is refused that has no lab that runs
			if code, said := say(more...); code != 2 || !strings.Contains(said, l.file+":1:10: lab lab was made with another number of workers") {
				t.Errorf("%s, %v: %d: %s", how, more, code, said)
			}
		}
		text = original
		write("vpc-green:", "vpc-lime:")
		if now := l.list(); now.Status != how || !bytes.Equal(try(os.ReadFile(db))(t), before) {
			t.Errorf("a dry run has changed it: %+v", now)
		}
		if code, said := say(); code != 2 || said != refused {
			t.Errorf("%s: the run says %d: %s\nand the dry run said %s", how, code, said, refused)
		}
		if now := l.list(); now.Status != how || !bytes.Equal(try(os.ReadFile(db))(t), before) {
			t.Errorf("a run that was refused has changed what was %s: %+v", how, now)
		}
		write("shared: 4", "shared: 3")
		if code, said := say("--dry-run"); code != 0 || !strings.Contains(said, "\nwould change settings: pool.shared 4 → 3\nBut for that") {
			t.Errorf("%s, another pool: %d: %s", how, code, said)
		}
		write()
		l.listed = listed{}
		l.up()
	}
}
