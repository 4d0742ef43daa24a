package aws_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// askWhoami has the example function ask its VPC's server.
const askWhoami = `{"whoami":"http://10.0.1.20/"}`

// The host has nothing of a lab but processes, control groups, files under the lab's home and the AWS API's socket. The
// lab is started in a network namespace that stands for the host's, with something of every kind in it; the real one is
// compared as well, but for its sockets.
func TestHostIsUntouched(t *testing.T) {
	nstest.NeedRoot(t)
	host := nstest.NS(t)
	at := func(script string) (out []byte, err error) {
		doErr := host.Do(func() error { out, err = exec.Command("sh", "-ec", script).CombinedOutput(); return nil })
		return out, errors.Join(err, doErr)
	}
	if out, err := at(`ip link set lo up; ip link add uplink type veth peer name elsewhere; ip addr add 10.0.1.9/24 dev uplink; ip link set uplink up
		ip route add default via 10.0.1.1; ip rule add from 192.0.2.1 table 77; ip neigh add 10.0.1.1 lladdr 02:00:00:00:00:01 dev uplink nud permanent
		iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE; echo 1 >/proc/sys/net/ipv4/ip_forward`); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	look := func() map[string]string {
		all := snapshot(t, "real ")
		if err := host.Do(func() error { maps.Copy(all, snapshot(t, "")); all["sockets"] = sockets(t); return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := look()
	for _, kind := range []string{"ip -o link", "ip -o address", "ip route show table all", "ip rule", "ip neigh show nud permanent", "iptables-save"} {
		if before[kind] == "" || before[kind] == before["real "+kind] {
			t.Errorf("the test is blind for %s: %q", kind, before[kind])
		}
	}

	l := planned(t, t.TempDir(), strings.ReplaceAll(two, "STORE", functions))
	if err := host.Do(func() error { l.up(); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"legacy", "shared"} {
		l.say(t, "mode", "steady-shared", mode)
		l.say(t, "invoke", "steady-shared", "--payload", askWhoami)
	}
	during := look()
	_, port, _ := net.SplitHostPort(l.Listen)
	n := try(strconv.Atoi(port))(t)
	if want := fmt.Sprintf("tcp 0100007F:%04X\n", n); during["sockets"] != before["sockets"]+want {
		t.Errorf("sockets while the lab is up: %q; want that of the AWS API alone, %q", during["sockets"], want)
	}
	delete(during, "sockets")
	same(t, "while the lab is up", before, during)
	all := programs(t) // first: slots come and go
	inside := below(t, l.KeeperPID)
	for _, pid := range all {
		if !inside[pid] && runs(pid) {
			t.Errorf("process %d of the program is outside of the lab", pid)
		}
	}
	if len(inside) < 8 { // keeper, daemon, servers, slots
		t.Errorf("the test is blind for processes: it sees %v", inside)
	}
	l.say(t, "down")
	after := look()
	same(t, "after the lab", before, after)
	for pid := range inside {
		if runs(pid) {
			t.Errorf("process %d of the lab is left", pid)
		}
	}
}

var volatile = regexp.MustCompile(`^kernel/(random/|ns_last_pid|pty/nr|perf_|sched_|keys/)|^net/netfilter/nf_conntrack_count$|^fs/`)

// counters are what changes by itself in the tables of a packet filter, and remaining times.
var counters = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]|counter packets \d+ bytes \d+|(expires|valid_lft|preferred_lft) \S+`)

// snapshot is the calling thread's network, and the machine.
func snapshot(t *testing.T, whose string) map[string]string {
	all := map[string]string{}
	for _, command := range []string{
		"ip -o link", "ip -o address", "ip route show table all", "ip -6 route show table all", "ip rule", "ip -6 rule", "ip neigh show nud permanent",
		"tc qdisc", "iptables-save", "ip6tables-save", "nft list ruleset",
	} {
		argv := strings.Fields(command)
		if _, err := exec.LookPath(argv[0]); err != nil && argv[0] == "nft" {
			continue
		}
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		all[whose+command] = string(counters.ReplaceAll(out, nil))
	}
	for _, tree := range []string{"net", "kernel"} {
		_ = filepath.WalkDir("/proc/sys/"+tree, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			key := strings.TrimPrefix(path, "/proc/sys/")
			if value, err := os.ReadFile(path); err == nil && !volatile.MatchString(key) {
				all[whose+"setting "+key] = string(value)
			}
			return nil
		})
	}
	all["mounts"] = string(try(os.ReadFile("/proc/self/mountinfo"))(t))
	pins, _ := filepath.Glob("/run/netns/*")
	all["named namespaces"] = strings.Join(pins, "\n")
	return all
}

// same compares what was there before. Settings that came are a kernel module's: a link's come with the link.
func same(t *testing.T, when string, before, now map[string]string) {
	t.Helper()
	if len(before) < 500 {
		t.Errorf("only %d things to compare", len(before))
	}
	for _, what := range slices.Sorted(maps.Keys(before)) {
		if is, there := now[what]; what != "sockets" && (!there || is != before[what]) {
			t.Errorf("%s, %s is\n%s\nand was\n%s", when, what, is, before[what])
		}
	}
	if is, there := now["sockets"]; there && is != before["sockets"] {
		t.Errorf("%s, sockets are\n%s\nand were\n%s", when, is, before["sockets"])
	}
}

// sockets are those that something could reach from the calling thread's network: all but connected TCP, and abstract
// unix sockets.
func sockets(t *testing.T) string {
	var found []string
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "packet", "unix"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + kind)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the kernel lacks that family
		}
		if err != nil {
			t.Error(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			f := strings.Fields(line)
			switch {
			case i == 0:
			case kind == "unix" && (len(f) < 8 || !strings.HasPrefix(f[7], "@")):
			case strings.HasPrefix(kind, "tcp") && f[3] != "0A": // not listening
			case kind == "unix":
				found = append(found, "unix "+f[7]+"\n")
			default:
				found = append(found, kind+" "+f[1]+"\n")
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, "")
}

// eachProcess calls look for every process that has not ended.
func eachProcess(t testing.TB, look func(pid int)) {
	t.Helper()
	for _, e := range try(os.ReadDir("/proc"))(t) {
		if pid, err := strconv.Atoi(e.Name()); err == nil && runs(pid) {
			look(pid)
		}
	}
}

// programs are the processes of the program under test, those in labs being of its copy in memory. Labs of another build,
// which a copy's size tells, are not this test's.
func programs(t testing.TB) (found []int) {
	t.Helper()
	built, err := os.Stat(enilab)
	if err != nil {
		t.Fatal(err)
	}
	eachProcess(t, func(pid int) {
		link := fmt.Sprintf("/proc/%d/exe", pid)
		exe, _ := os.Readlink(link)
		if strings.HasPrefix(exe, "/memfd:enilab ") {
			if copied, err := os.Stat(link); err == nil && copied.Size() == built.Size() {
				found = append(found, pid)
			}
		} else if exe == enilab {
			found = append(found, pid)
		}
	})
	return found
}

// below are the descendants of a process, and itself.
func below(t testing.TB, top int) map[int]bool {
	t.Helper()
	parents := map[int]int{}
	eachProcess(t, func(pid int) {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
		if f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	})
	found := map[int]bool{top: true}
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if found[parent] && !found[pid] {
				found[pid], grown = true, true
			}
		}
	}
	return found
}

// deadGroups are control groups of labs whose keeper is dead.
func deadGroups() (found []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if name := strings.Split(filepath.Base(path), "-"); err == nil && d.IsDir() && len(name) == 4 && name[0] == "up" && strings.Contains(path, "/enilab/") {
			if pid, err := strconv.Atoi(name[2]); err == nil && !runs(pid) {
				found = append(found, path)
			}
		}
		return nil
	})
	return found
}

// gone wants nothing of the lab on this machine.
func (l *lab) gone() error {
	left, _ := filepath.Glob(filepath.Join(l.home, "*"))
	for _, dir := range []string{"run", "state"} {
		more, _ := filepath.Glob(filepath.Join(l.home, dir, "*"))
		left = append(left, more...)
	}
	if running := programs(l.t); len(left)+len(running)+len(deadGroups()) > 0 {
		return errorf("left are files %v, processes %v, control groups %v", left, running, deadGroups())
	}
	return nil
}

// whole wants the whole lab of the topology two.
func (l *lab) whole(t *testing.T) {
	t.Helper()
	l.up()
	if l.Status != "up" || l.Counts["vpcs"] != 2 || l.Counts["resources"] != 2 || l.Counts["functions"] != 2 {
		t.Errorf("the lab is not whole: %+v", l.listed)
	}
	for _, f := range []string{"steady-shared", "steady-legacy"} {
		nstest.Eventually(t, 20*time.Second, func() error { // `up` does not wait for one that a former `up` has created
			out, err := l.run("invoke", f, "--payload", askWhoami)
			switch {
			case err == nil && !strings.Contains(string(out), `"whoami":"10.0.1.`):
				t.Errorf("invoke %s: %s", f, out)
			case err != nil && !strings.Contains(err.Error(), "state: Pending"):
				t.Errorf("invoke %s: %v", f, err)
			default:
				return err
			}
			return nil
		})
	}
}

// moment is one at which a verb is stopped.
type moment struct {
	name string
	is   func(l *lab, since time.Duration) bool
}

// moments are those when something has just been made, and n more over a duration.
func moments(n int, took time.Duration) (all []moment) {
	for _, file := range []string{"run/lab.lock", "run/lab", "run/lab/api.sock", "run/lab/keeper.sock", "run/lab/keeper", "state/lab/state.db"} {
		all = append(all, moment{"with " + file, func(l *lab, _ time.Duration) bool {
			_, err := os.Stat(filepath.Join(l.home, file))
			return err == nil
		}})
	}
	for i := range n {
		after := took * time.Duration(i) / time.Duration(n)
		all = append(all, moment{"after " + after.String(), func(_ *lab, since time.Duration) bool { return since >= after }})
	}
	return all
}

// stopped starts a verb, sends it a signal at a moment, and tells how it ended.
func (l *lab) stopped(t *testing.T, m moment, s syscall.Signal, args ...string) (syscall.WaitStatus, string) {
	t.Helper()
	var said bytes.Buffer
	cmd := l.command(args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	for over := false; !over && !m.is(l, time.Since(began)); {
		select {
		case <-ended:
			over = true
		case <-time.After(100 * time.Microsecond): // nobody tells of another process's doings
		}
	}
	_ = cmd.Process.Signal(s) // it may have ended
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatalf("%v hangs after %v", args, s)
	}
	return cmd.ProcessState.Sys().(syscall.WaitStatus), said.String()
}

// Killed at any moment, `up` works the next time and `down` leaves nothing.
func TestUpKilledAtAnyMoment(t *testing.T) {
	l := planned(t, t.TempDir(), strings.ReplaceAll(two, "STORE", functions))
	began := time.Now()
	l.up()
	took := time.Since(began)
	l.say(t, "down")
	args := []string{"up", "--name", l.name, "-t", l.file, "--listen", "127.0.0.1:0"}
	killed := 0
	for i, m := range moments(nstest.Times(2, 8), took) {
		for _, next := range []string{"up", "down"}[:1+i%2] {
			l.listed = listed{}
			if status, _ := l.stopped(t, m, syscall.SIGKILL, args...); status.Signaled() {
				killed++
			}
			if next == "up" { // at once
				l.whole(t)
			}
			if out, err := l.run("down"); err != nil {
				t.Errorf("down: %v: %s", err, out)
			}
			nstest.Eventually(t, 10*time.Second, l.gone) // a keeper that nobody waits for any more ends itself
			if t.Failed() {
				t.Fatalf("%s, then %s", m.name, next)
			}
		}
	}
	if killed < 6 {
		t.Errorf("only %d were killed", killed)
	}
}

// Killed or interrupted while it changes a running lab, `up` leaves one that runs on, or runs again with the next.
func TestUpOfARunningLabStoppedAtAnyMoment(t *testing.T) {
	t.Parallel()
	topology := strings.ReplaceAll(two, "STORE", functions)
	other := strings.Replace(topology, "shared: 4", "shared: 5", 1) // settings: the daemon starts again
	other = strings.Replace(other, "mode: legacy, ", "memory: 256, mode: legacy, ", 1)
	l := up(t, topology)
	change := func(i int) { l.declare([]string{other, topology}[i%2]) }
	change(0)
	began := time.Now()
	l.up()
	took := time.Since(began)
	change(1)
	stopped := 0
	between := moment{"between two daemons", func(l *lab, _ time.Duration) bool { return !runs(l.DaemonPID) }}
	for i, m := range append(moments(8, took)[6:], between, between) {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			status, said := l.stopped(t, m, s, "up", "--name", l.name, "-t", l.file)
			switch {
			case status.Exited() && status.ExitStatus() == 0: // too late
			case status.Signaled() && status.Signal() == s && (s == syscall.SIGKILL || said == ""): // the latter: before main
				stopped++
			case s == syscall.SIGINT && status.ExitStatus() == 130 && strings.HasSuffix(said, "enilab: interrupted\n"):
				stopped++
			default:
				t.Errorf("%s, %v: exit code %d: %s", m.name, s, status.ExitStatus(), said)
			}
			if s == syscall.SIGINT {
				if l.listed = l.list(); l.Status != "up" {
					t.Errorf("%s: the lab is %+v", m.name, l.listed)
				}
			}
		}
		l.whole(t)
		change(i)
		if t.Failed() {
			t.Fatal(m.name)
		}
	}
	if stopped < 8 {
		t.Errorf("only %d were stopped", stopped)
	}
}

// Interrupted at any moment, `up` takes back a lab that was not there before.
func TestUpInterruptedAtAnyMoment(t *testing.T) {
	l := planned(t, t.TempDir(), strings.ReplaceAll(two, "STORE", functions))
	began := time.Now()
	l.up()
	took := time.Since(began)
	l.say(t, "down")
	l.listed = listed{}
	interrupted := 0
	for _, m := range moments(nstest.Times(6, 14), took) {
		status, said := l.stopped(t, m, syscall.SIGINT, "up", "--name", l.name, "-t", l.file, "--listen", "127.0.0.1:0")
		switch {
		case status.Exited() && status.ExitStatus() == 0: // too late: the lab is there
			l.whole(t)
			l.say(t, "down")
			l.listed = listed{}
		case status.Signaled() && said == "": // before main
		case status.ExitStatus() == 130 && strings.HasSuffix(said, "enilab: interrupted\n"):
			interrupted++
		default:
			t.Errorf("exit code %d: %s", status.ExitStatus(), said)
		}
		if err := l.gone(); err != nil { // at once: it has waited
			t.Error(err)
		}
		if t.Failed() {
			t.Fatal(m.name)
		}
	}
	if interrupted < 4 {
		t.Errorf("only %d were interrupted", interrupted)
	}
}

// Whatever of the lab is dead, `down` and `gc` find the rest, at once.
func TestDownOfADeadLab(t *testing.T) {
	l := planned(t, t.TempDir(), strings.ReplaceAll(two, "STORE", functions))
	killKeeper := func() {
		l.whole(t)
		if err := syscall.Kill(l.KeeperPID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	check := func(how string) {
		t.Helper()
		if err := l.gone(); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		l.listed = listed{}
	}
	for range 3 {
		killKeeper()
		l.say(t, "down")
		check("keeper killed, down")
	}
	l.whole(t)
	l.kill()
	l.say(t, "down")
	check("daemon killed, down")

	killKeeper()
	former := l.KeeperPID
	l.whole(t)
	if groups := cgroupsOf(former); len(groups) > 0 {
		t.Errorf("up after the keeper was killed leaves its control groups: %v", groups)
	}
	l.say(t, "down")
	check("keeper killed, up, down")

	killKeeper()
	plan := l.say(t, "gc", "--dry-run")
	groups := "control groups up-"
	if len(cgroupsOf(l.KeeperPID)) == 0 {
		groups = "" // this machine has none for labs
	}
	if !strings.Contains(plan, "would remove run files of lab lab in ") || !strings.Contains(plan, groups) {
		t.Errorf("gc --dry-run: %s", plan)
	}
	if again := l.say(t, "gc", "--dry-run"); again != plan {
		t.Errorf("gc --dry-run again: %s", again)
	}
	if out := l.say(t, "gc"); out != strings.ReplaceAll(plan, "would remove", "removed") {
		t.Errorf("gc --dry-run: %s and gc: %s", plan, out)
	}
	if left := cgroupsOf(l.KeeperPID); len(left) > 0 {
		t.Errorf("gc leaves %v", left)
	}
	if out := l.say(t, "gc"); !strings.Contains(out, "Nothing is left") {
		t.Errorf("a second gc: %s", out)
	}
	if out := l.say(t, "list"); !strings.Contains(out, "lab  down") {
		t.Errorf("gc has taken the state: %s", out)
	}
	l.listed = listed{}
	l.whole(t)
	l.say(t, "down")
	check("gc, up, down")
	if out := l.say(t, "down"); !strings.Contains(out, "nothing to do") {
		t.Errorf("down twice: %s", out)
	}
	for _, verb := range []string{"gc", "down"} { // of an `up` that was killed before it had made anything else
		lock := filepath.Join(l.home, "run", "lab.lock")
		if err := errors.Join(os.Mkdir(filepath.Dir(lock), 0o700), os.WriteFile(lock, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		l.say(t, verb)
		check(verb + " of a lock")
	}
}

// A verb that works on the lab keeps others from it, and its death does not.
func TestDownWhileUpIsAtWork(t *testing.T) {
	l := planned(t, t.TempDir(), empty)
	cmd := l.command("up", "-t", l.file, "--listen", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it is killed
	defer cmd.Process.Kill()
	lock := filepath.Join(l.home, "run", "lab.lock")
	nstest.Eventually(t, time.Minute, func() error {
		_, err := os.Stat(filepath.Join(l.home, "run", "lab"))
		return err
	})
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lock); err != nil {
		t.Skip("up was done before it could be stopped")
	}
	for _, args := range [][]string{{"down", "--name", "lab"}, {"up", "--name", "lab", "-t", l.file}} {
		err := l.refused(t, 1, args...)
		if want := fmt.Sprintf("lab lab is locked by 'enilab up' (pid %d)", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
			t.Errorf("%v says %v; want %q", args, err, want)
		}
	}
}

// refused wants an exit code and one line on stderr.
func (l *lab) refused(t *testing.T, code int, args ...string) error {
	t.Helper()
	var out, said bytes.Buffer
	cmd := l.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // how it ended is in ProcessState
	if got := cmd.ProcessState.ExitCode(); got != code || out.Len() > 0 || !strings.HasPrefix(said.String(), "enilab: ") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%v: exit code %d, want %d and one line on stderr: %s%s", args, got, code, out.Bytes(), said.Bytes())
	}
	return errors.New(said.String())
}

func TestUpRefuses(t *testing.T) {
	l := planned(t, t.TempDir(), empty)
	taken := try(net.Listen("tcp4", "127.0.0.1:0"))(t)
	defer taken.Close()
	port := taken.Addr().String()
	for _, c := range []struct {
		code int
		said []string
		args []string
	}{
		{1, []string{"listen on " + port + ": address already in use", "enilab list", "another port"}, []string{"--listen", port}},
		{1, []string{"192.0.2.77:4566", "an address of this machine"}, []string{"--listen", "192.0.2.77:4566"}},
		{2, []string{`"localhost:4566"`, "127.0.0.1:4566"}, []string{"--listen", "localhost:4566"}},
		{2, []string{`"4566"`}, []string{"--listen", "4566"}},
		{2, []string{`"127.0.0.1:99999"`}, []string{"--listen", "127.0.0.1:99999"}},
		{2, []string{`"gcp"`, "[none aws]"}, []string{"--model", "gcp"}},
		{2, []string{"--time-scale 0"}, []string{"--time-scale", "0"}},
		{2, []string{`"Lab"`, "starting with a letter"}, []string{"--name", "Lab"}},
		{2, []string{`"../lab"`}, []string{"--name", "../lab"}},
		{2, []string{`"more"`}, []string{"more"}},
		{2, []string{"nowhere.lab.yml"}, []string{"-t", "nowhere.lab.yml"}},
	} {
		err := l.refused(t, c.code, append([]string{"up", "--name", "lab", "-t", l.file}, c.args...)...)
		for _, s := range c.said {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%v does not say %q: %v", c.args, s, err)
			}
		}
		if err := l.gone(); err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	long := *l
	long.home = filepath.Join(l.home, strings.Repeat("long", 25))
	if err := long.refused(t, 1, "up", "--name", "lab", "-t", l.file, "--listen", "127.0.0.1:0"); !strings.Contains(err.Error(), "too long a path for a socket") || !strings.Contains(err.Error(), "ENILAB_HOME") {
		t.Error(err)
	}
	os.RemoveAll(long.home)

	// A running lab stays as it is.
	l.up()
	if out, err := l.command("up", "--name", "lab", "-t", l.file, "--listen", port).CombinedOutput(); err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("a running lab takes a taken address: %s", out)
	}
	if now := l.list(); now.DaemonPID != l.DaemonPID || now.Status != "up" || now.Listen != l.Listen {
		t.Errorf("it was %+v and is %+v", l.listed, now)
	}
	// Whoever else can reach it is told of.
	out, err := l.command("up", "--name", "lab", "-t", l.file, "--listen", "0.0.0.0:0").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Note: it listens on 0.0.0.0:") {
		t.Errorf("%v: %s", err, out)
	}
	l.listed = l.list()
}

// Labs beside each other share nothing but the program.
func TestTwoLabs(t *testing.T) {
	tenant := func(name string) string {
		return strings.NewReplacer("STORE", functions, "TENANT", name).Replace(`
store: STORE
pool: {shared: 2, legacy: 1}
vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources: {redis: {serve: redis, data: {tenant: TENANT}, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.20}}
functions:
  who: {code: go.zip, timeout: 10s, environment: {REDIS_ADDR: "10.0.1.20:6379"}, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
  who-legacy: {code: go.zip, mode: legacy, timeout: 10s, environment: {REDIS_ADDR: "10.0.1.20:6379"}, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
`)
	}
	one := planned(t, t.TempDir(), tenant("one"))
	two := *one
	two.name, two.file = "two", filepath.Join(t.TempDir(), "two.lab.yml")
	two.declare(tenant("two"))
	t.Cleanup(func() { // before the first's, which wants an empty home
		if out, err := two.run("down", "--all"); err != nil {
			t.Errorf("down --all: %v: %s", err, out)
		}
	})
	for _, l := range []*lab{one, &two} {
		l.say(t, "up", "--name", l.name, "-t", l.file, "--listen", "127.0.0.1:0")
	}
	ask := func() {
		t.Helper()
		for _, name := range []string{"lab", "two"} {
			for _, f := range []string{"who", "who-legacy"} {
				if want, out := `"tenant":"`+strings.Replace(name, "lab", "one", 1)+`"`, one.say(t, "invoke", "--name", name, f); !strings.Contains(out, want) {
					t.Errorf("%s of %s: %s", f, name, out)
				}
			}
		}
	}
	ask()
	if out := one.say(t, "exec", "--name", "two", "vpc-a", "--", "ps", "-e", "-o", "comm="); strings.Count(out, "redis-server") != 1 {
		t.Errorf("processes seen in lab two:\n%s", out)
	}
	for _, args := range [][]string{{"invoke", "who"}, {"inspect", "enis"}, {"exec", "vpc-a", "--", "true"}, {"logs", "who"}, {"mode", "who", "legacy"}, {"up"}, {"down"}} {
		if err := one.refused(t, 2, args...); !strings.Contains(err.Error(), "(lab, two)") || !strings.Contains(err.Error(), "--name") {
			t.Errorf("%v: %v", args, err)
		}
	}
	one.say(t, "down", "--name", "lab")
	if out := one.say(t, "invoke", "who"); !strings.Contains(out, `"tenant":"two"`) {
		t.Errorf("after the other is down: %s", out)
	}
	one.say(t, "up", "--name", "lab", "-t", one.file, "--listen", "127.0.0.1:0")
	ask()
}

// What is entered has its own exit code, and does not need the daemon if it is pinned.
func TestEntering(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	l.say(t, "invoke", "steady-shared")
	status := func(stdin string, args ...string) int {
		cmd := l.command(args...)
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Env = append(cmd.Env, "SHELL=/bin/sh")
		_ = cmd.Run() // how it ended is in ProcessState
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
			return 128 + int(s.Signal())
		}
		return cmd.ProcessState.ExitCode()
	}
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
	}{
		{"", []string{"exec", "vpc-blue", "--", "true"}, 0},
		{"", []string{"exec", "vpc-blue", "--", "sh", "-c", "exit 7"}, 7},
		{"", []string{"exec", "steady-shared/1", "--", "sh", "-c", "exit 130"}, 130},
		{"", []string{"exec", "vpc-blue", "--", "/nonexistent"}, 127},
		{"", []string{"exec", "vpc-blue", "--", "/etc/passwd"}, 126},
		{"", []string{"exec", "vpc-blue", "--", "sh", "-c", "kill -9 $$"}, 128 + 9},
		{"", []string{"exec", "nowhere", "--", "true"}, 2},
		{"", []string{"exec", "vpc-blue", "true"}, 2},
		{"exit 3\n", []string{"shell", "vpc-blue/whoami"}, 3},
		{"ip -o link | grep -q eni- && exit 4\n", []string{"shell", "vpc-blue"}, 4},
	} {
		if got := status(c.stdin, c.args...); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, got, c.code)
		}
	}
	// Who ends 'enilab exec', ends the command, which has the other end of the pipe.
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		entered := l.command("exec", "vpc-blue", "--", "sh", "-c", "echo; exec sleep 1000")
		entered.Stdout = write
		if err := entered.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		if _, err := read.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := entered.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = entered.Wait() // of its signal
		if err := read.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := read.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after %v the command goes on: %v", signal, err)
		}
		read.Close()
	}
	l.kill()
	for node, want := range map[string]string{"vpc-blue": "eni-", "vpc-green/whoami": "10.0.1.20/24", "hyperplane": "und0"} {
		if out := l.say(t, "exec", node, "--", "ip", "-brief", "address"); !strings.Contains(out, want) {
			t.Errorf("exec %s without a daemon: %s", node, out)
		}
	}
	for _, args := range [][]string{{"exec", "steady-shared/1", "--", "true"}, {"exec", "..", "--", "true"}, {"invoke", "steady-shared"}, {"inspect", "enis"}} {
		if err := l.refused(t, 1, args...); !strings.Contains(err.Error(), "lab lab: its daemon does not run") || !strings.Contains(err.Error(), "'enilab up' starts it again") {
			t.Errorf("%v: %v", args, err)
		}
	}
	l.say(t, "down", "--keep-state")
	if err := l.refused(t, 1, "exec", "vpc-blue", "--", "true"); !strings.Contains(err.Error(), "lab lab is down; 'enilab up' builds it again") {
		t.Error(err)
	}
}

// A lab needs no root, and says what it lacks without.
func TestRootless(t *testing.T) {
	l := rootless(t, two)
	out, err := l.command("up", "-t", l.file, "--listen", "127.0.0.1:0").CombinedOutput()
	note, rest, _ := strings.Cut(string(out), "\n")
	if i := strings.Index(string(out), "Note: environments have no control groups: "); i >= 0 {
		note, rest, _ = strings.Cut(string(out)[i:], "\n")
	}
	if err != nil || !strings.HasPrefix(note, "Note: environments have no control groups: ") || !strings.HasSuffix(note, "only root can limit memory, processes and CPU") || strings.Contains(rest, "cgroup") {
		t.Errorf("up: %v: %s", err, out)
	}
	ask := func() {
		t.Helper()
		l.up()
		for _, f := range []string{"steady-shared", "steady-legacy"} {
			out, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(f), Payload: []byte(askWhoami)})
			if err != nil || out.FunctionError != nil || !strings.Contains(string(out.Payload), `"whoami":"10.0.1.`) {
				t.Errorf("invoke %s: %v %+v", f, err, out)
			}
		}
		if out := l.say(t, "check"); !strings.Contains(out, "as the lab's state says") {
			t.Errorf("check: %s", out)
		}
		for node, want := range map[string]string{"vpc-blue": "eni-", "vpc-green/whoami": "10.0.1.20/24", "steady-shared/1": "100.64.0."} {
			if out := l.say(t, "exec", node, "--", "ip", "-brief", "address"); !strings.Contains(out, want) {
				t.Errorf("exec %s: %s", node, out)
			}
		}
	}
	ask()
	keeper := l.KeeperPID
	var st syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d", l.DaemonPID), &st); err != nil || st.Uid == 0 {
		t.Errorf("the daemon is user %d's: %v", st.Uid, err)
	}
	l.kill()
	if out := l.say(t, "exec", "vpc-blue", "--", "ip", "-brief", "address"); !strings.Contains(out, "eni-") {
		t.Errorf("exec without a daemon: %s", out)
	}
	if out := l.say(t, "up", "-t", l.file); !strings.Contains(out, "Recovered (killed): 5 adopted, 0 built anew") {
		t.Errorf("up again: %s", out)
	}
	if ask(); l.KeeperPID != keeper {
		t.Errorf("the keeper was %d and is %d", keeper, l.KeeperPID)
	}
	if start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && strings.TrimSpace(string(start)) == "1024" {
		if err := l.refused(t, 1, "up", "--name", "low", "-t", l.file, "--listen", "127.0.0.1:80"); !strings.Contains(err.Error(), "need root") {
			t.Error(err)
		}
	}
	roots := *l
	roots.home = t.TempDir()
	if err := roots.refused(t, 1, "up", "--name", "lab", "-t", l.file); !strings.Contains(err.Error(), "permission denied; ENILAB_HOME names a directory that this user may write to") {
		t.Error(err)
	}
}
