package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"

	"golang.org/x/sys/unix"
)

func sh(script string) netlab.ResourceSpec {
	return netlab.ResourceSpec{Name: "server", Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Command: []string{"sh", "-c", script}}
}

func TestBrokenServers(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	dies := whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80)
	dies.Command = []string{dies.Command[0], "fail", "cannot open the database"}
	missing := sh("")
	missing.Command = []string{"no-such-server"}
	idle := sh("echo listening to nobody; exec sleep 1000")
	idle.Port = 80
	for name, c := range map[string]struct {
		spec netlab.ResourceSpec
		is   error
		want string // a pattern
	}{
		"dies early": {dies, nil, `^resource server: vpc-blue.server: /.*/server ended before it served port 80: exit status 3; its last words: cannot open the database$`},
		"not found":  {missing, exec.ErrNotFound, `^resource server: vpc-blue.server: command "no-such-server" not found: `},
		"never ready": {
			idle, context.DeadlineExceeded,
			`^resource server: vpc-blue.server: sh does not serve port 80: context deadline exceeded \(.*connection refused\); its last words: (listening to nobody|\(none\))$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if errors.Is(c.is, context.DeadlineExceeded) {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 3*time.Second) // for it to say its last words, where it can
				defer cancel()
			}
			_, err := vpc.AddResource(ctx, c.spec)
			if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got  %v\nwant %s (%v)", err, c.want, c.is)
			}
			if _, used, _, _ := vpc.Subnet("subnet-a"); used != 0 {
				t.Errorf("%d addresses in use", used)
			}
		})
	}
}

// TestServersAreContained: they run without the lab's rights and environment, each in a session of its own and, where there are
// ids to give, as a user of its own; and none can get a right, or do what functions cannot.
func TestServersAreContained(t *testing.T) {
	nstest.NoLeaks(t)
	t.Setenv("SECRET_OF_THE_LAB", "1")
	vpc := newVPC(t, plain("vpc-blue"))
	users := users{}
	for _, name := range []string{"one", "other"} {
		r, err := vpc.AddResource(t.Context(), whoami(t, name, "subnet-a", "", []string{"sg-open"}, 80))
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		users.wantContained(t, name, r.Process().Pid())
		must(t, r.Node.NS.Do(func() error {
			b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_rmem")
			if fields := strings.Fields(string(b)); err == nil && (len(fields) != 3 || len(fields[2]) > len("1048576")) {
				t.Errorf("buffers %s", b)
			}
			return err
		}))
	}
}

// TestInternetIsContained: the server that stands for all outside is another's, too, if somebody takes it over.
func TestInternetIsContained(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	t.Setenv("SECRET_OF_THE_LAB", "1")
	vpc := newVPC(t, plain("vpc-blue"))
	r, err := vpc.AddResource(t.Context(), whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80))
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	in, err := netlab.NewInternet(t.Context(), []string{serverPath(t), "serve", "internet", "0.0.0.0:80"})
	must(t, err)
	t.Cleanup(func() { must(t, in.Close()) })
	users := users{}
	users.wantContained(t, "server", r.Process().Pid())
	users.wantContained(t, "internet", in.State().PID)
}

// TestChecksAreContained: a server's check is another's, too, if that server has its files; and it is the server's user.
func TestChecksAreContained(t *testing.T) {
	nstest.NoLeaks(t)
	t.Setenv("SECRET_OF_THE_LAB", "1")
	vpc := newVPC(t, plain("vpc-blue"))
	s := whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80)
	s.Check = []string{"sh", "-c", "echo check $$; while :; do sleep 0.01; done"}
	r, err := vpc.AddResource(t.Context(), s)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	sick := make(chan error)
	go func() { sick <- r.Healthy(t.Context()) }()
	var pid int
	nstest.Eventually(t, 0, func() error {
		if pid = childNamed(t, "echo check"); pid == 0 {
			return errors.New("no check runs")
		}
		return nil
	})
	server, check := users{}, users{}
	server.wantContained(t, "server", r.Process().Pid())
	check.wantContained(t, "check", pid)
	if !maps.Equal(server, check) {
		t.Errorf("the server runs as %v, its check as %v", server, check)
	}
	must(t, unix.Kill(pid, unix.SIGTERM))
	if err := <-sick; err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Errorf("the check says %v", err)
	}
}

// childNamed finds the child of this process whose command line contains a word; 0 is none.
func childNamed(t *testing.T, word string) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	must(t, err)
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // the thread may have ended
		for child := range strings.FieldsSeq(string(children)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline") // so may the child
			if pid, err := strconv.Atoi(child); err == nil && strings.Contains(string(line), word) {
				return pid
			}
		}
	}
	return 0
}

// users are the user ids of processes.
type users map[string]bool

// wantContained fails the test unless a process runs confined, in a session of its own, without the lab's environment and, where
// there are ids to give, as a user that none before it was.
func (u users) wantContained(t *testing.T, name string, pid int) {
	t.Helper()
	proc := func(file string) string {
		t.Helper()
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		must(t, err)
		return string(b)
	}
	status := proc("status")
	for _, want := range []string{
		"CapInh:\t" + none, "CapPrm:\t" + none, "CapEff:\t" + none, "CapBnd:\t" + none, "CapAmb:\t" + none, "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("%s: want %s:\n%s", name, want, status)
		}
	}
	_, rest, _ := strings.Cut(status, "\nUid:\t")
	has, _, _ := strings.Cut(rest, "\n")
	id, _, _ := strings.Cut(has, "\t")
	if strings.Count(has, id) != 4 {
		t.Errorf("%s has the user ids %s", name, has)
	}
	ids, err := os.ReadFile("/proc/self/uid_map")
	must(t, err)
	switch strings.Fields(string(ids))[2] { // how many there are
	case "1": // there is no choice
	case "4294967295":
		if u[id] || !strings.HasPrefix(id, "18") || len(id) != 10 {
			t.Errorf("%s has the user id %s; others %v", name, id, u)
		}
	default: // some ids, as in a container, and none as high as that
		if id != "65534" {
			t.Errorf("%s has the user id %s", name, id)
		}
	}
	u[id] = true
	if strings.Contains(proc("environ"), "SECRET_OF_THE_LAB") {
		t.Errorf("%s has the lab's environment", name)
	}
	if fields := strings.Fields(proc("stat")); fields[5] != strconv.Itoa(pid) {
		t.Errorf("%s: session %s, want its own", name, fields[5])
	}
}

const none = "0000000000000000" // no capability

// TestServerEndsWithAllItsChildren, whether it is closed or ends by itself.
func TestServerEndsWithAllItsChildren(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	gone := func(pid int) {
		t.Helper()
		nstest.Eventually(t, 10*time.Second, func() error { // its new parent has to reap it
			state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err == nil && strings.Fields(string(state))[2] != "Z" {
				return fmt.Errorf("process %d is there: %s", pid, state)
			}
			return nil
		})
		if os.Getpid() == 1 { // in a pid namespace of the tests' own, the new parent is this process
			unix.Wait4(pid, nil, 0, nil)
		}
	}

	server := whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80)
	server.Command = append([]string{"sh", "-c", `sleep 1000 & exec "$@"`, "sh"}, server.Command...)
	r, err := vpc.AddResource(t.Context(), server)
	must(t, err)
	p := r.Process()
	pid := p.Pid()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	must(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	must(t, err)
	select {
	case <-p.Done():
		t.Fatal("ended before Close")
	default:
	}
	must(t, r.Close())
	must(t, r.Close())
	<-p.Done()
	gone(pid)
	gone(child)

	ends := sh("sleep 1000 & echo $!; exit 1")
	ends.Port = 80
	_, err = vpc.AddResource(t.Context(), ends)
	if err == nil {
		t.Fatal("a server that ends is no server")
	}
	words := err.Error()
	child, err = strconv.Atoi(words[strings.LastIndex(words, " ")+1:])
	must(t, err)
	gone(child)
}

// TestBuildIsAllOrNothing: the first server runs when the second fails; NoLeaks looks for what is left.
func TestBuildIsAllOrNothing(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	spec := plain("vpc-blue")
	spec.Resources = []netlab.ResourceSpec{
		whoami(t, "good", "subnet-a", "", []string{"sg-open"}, 80),
		{Name: "bad", Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Command: []string{"no-such-server"}},
	}
	lab, err := netlab.Spec{VPCs: []netlab.VPCSpec{plain("vpc-green"), spec}}.Build(t.Context())
	if lab != nil || !errors.Is(err, exec.ErrNotFound) || !strings.HasPrefix(err.Error(), "vpc vpc-blue: resource bad: ") {
		t.Errorf("lab %v, error %v", lab, err)
	}
	spec.Resources[1].Subnet = "subnet-x" // known before the first system call
	if _, err := (netlab.Spec{VPCs: []netlab.VPCSpec{spec}}).Build(t.Context()); err == nil || !strings.Contains(err.Error(), `there is no subnet "subnet-x"`) {
		t.Errorf("error %v", err)
	}
}

func TestLabClosesTwice(t *testing.T) {
	nstest.NoLeaks(t)
	spec := plain("vpc-blue")
	spec.Resources = []netlab.ResourceSpec{whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80)}
	lab := build(t, netlab.Spec{VPCs: []netlab.VPCSpec{spec}})
	must(t, lab.Close())
	must(t, lab.Close())
}

func TestInternet(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	in, err := netlab.NewInternet(t.Context(), []string{serverPath(t), "serve", "internet", "0.0.0.0:80"})
	must(t, err)
	t.Cleanup(func() { must(t, in.Close()) })
	var edges []*netlab.Node
	for n, want := range []string{"192.0.2.4", "192.0.2.5"} {
		edge := newNode(t, fmt.Sprintf("edge-%d", n))
		public, err := in.Connect(t.Context(), edge)
		must(t, err)
		if public.String() != want {
			t.Errorf("public address %s, want %s", public, want)
		}
		for _, at := range []string{netlab.InternetHTTP.String(), "198.51.100.1:80", "203.0.113.255:80"} {
			from, name, err := reach(edge, "tcp4", netip.MustParseAddrPort(at), answerWithin)
			if err != nil || name != "internet" || from != public {
				t.Errorf("%s: %q sees %s, want %s: %v", at, name, from, public, err)
			}
		}
		edges = append(edges, edge)
	}
	// One that tries many addresses, or the internet's server if it is somebody else's, takes no room of the kernel's.
	for _, n := range []*netlab.Node{edges[0], in.Node} {
		nstest.Scan(t, n.NS, netip.MustParseAddr("192.0.2.10"))
	}
	// The internet is a server, no router: what is connected to it stays apart.
	l, err := edges[1].NS.Listen(netip.MustParseAddrPort("192.0.2.5:80"))
	must(t, err)
	defer l.Close()
	silent(t, edges[0], "tcp4", netip.MustParseAddrPort("192.0.2.5:80"))

	if _, err := in.Connect(t.Context(), edges[0]); err == nil {
		t.Error("a node was connected twice")
	}
}

func TestInternetWithoutItsServer(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	if _, err := netlab.NewInternet(t.Context(), []string{"no-such-server"}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

// TestUnderlay: workers reach the Hyperplane node's endpoint under their own, and not each other.
func TestUnderlay(t *testing.T) {
	nstest.NoLeaks(t)
	hub := newNode(t, "hyperplane")
	u, err := netlab.NewUnderlay(hub)
	must(t, err)
	at := netip.AddrPortFrom(u.HubVTEP, 80)
	l, err := hub.NS.Listen(at)
	must(t, err)
	defer l.Close()
	var workers []*netlab.Node
	var vteps []netip.Addr
	for n := range 2 {
		w := newNode(t, fmt.Sprintf("worker-%d", n))
		vtep, err := u.Connect(t.Context(), w)
		must(t, err)
		must(t, w.NS.Do(func() error { return nstest.Ping(u.HubVTEP, answerWithin) }))
		must(t, hub.NS.Do(func() error { return nstest.Ping(vtep, answerWithin) }))
		workers, vteps = append(workers, w), append(vteps, vtep)
	}
	if vteps[0] == vteps[1] {
		t.Errorf("both workers are %s", vteps[0])
	}
	if err := workers[0].NS.Do(func() error { return nstest.Ping(vteps[1], silence) }); err == nil {
		t.Error("one worker reaches the other")
	}
}
