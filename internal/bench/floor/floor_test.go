package floor_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"enilab/internal/bench/floor"
	"enilab/internal/nstest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is timed has really been done, again and again, and nothing is left.
func TestNetwork(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	v, err := floor.NewVPC()
	must(t, err)
	defer v.Close()
	for range 3 {
		o, err := v.Owner()
		must(t, err)
		attach, err := o.Attach()
		must(t, err)
		must(t, o.Close())
		o, err = v.Owner()
		must(t, err)
		create, move, err := o.Move()
		must(t, err)
		must(t, o.Close())
		namespace, err := floor.Namespace()
		must(t, err)
		t.Logf("attach %v, create %v, move %v, namespace %v", attach, create, move, namespace)
		for what, took := range map[string]time.Duration{"attach": attach, "create": create, "move": move, "namespace": namespace} {
			if took <= 0 {
				t.Errorf("%s took %v", what, took)
			}
		}
	}
}

func TestBind(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	tunnels, err := floor.NewTunnels()
	must(t, err)
	defer tunnels.Close()
	for range 3 {
		s, err := tunnels.Slot()
		must(t, err)
		took, err := s.Bind()
		must(t, err)
		if took <= 0 {
			t.Errorf("bind took %v", took)
		}
		if _, err := s.Bind(); err != nil { // over what is there
			t.Error(err)
		}
		must(t, s.Close())
	}
}

func TestSpawn(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	program, err := exec.LookPath("sleep")
	must(t, err)
	s := &floor.Spawner{Program: program}
	must(t, s.Open())
	defer s.Close()
	for range 3 {
		p, err := s.Park()
		must(t, err)
		parked, err := p.Start()
		must(t, err)
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Pid()))
		if err != nil || strings.TrimSpace(string(name)) != "sleep" {
			t.Errorf("the process is %q: %v", name, err)
		}
		must(t, p.Close())
		whole, err := s.Whole()
		must(t, err)
		t.Logf("parked %v, whole %v", parked, whole)
	}
	s.Program = "/no/such/program"
	p, err := s.Park()
	must(t, err)
	if _, err := p.Start(); err == nil {
		t.Error("a program that is not there was executed")
	}
	must(t, p.Close())
	if _, err := s.Whole(); err == nil {
		t.Error("a program that is not there was executed")
	}
}
